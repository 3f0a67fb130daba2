//go:build e2e

// Package e2e installs ringup on a real cluster and shows what KEDA, rolling updates, crashes and outages do to it. hack/e2e runs it.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const namespace = "ringup-dev"

// cluster is the one that KUBECONFIG names, with ringup installed.
type cluster struct {
	t        *testing.T
	emulator string // where the providers' emulator answers
	admin    string
	evidence string

	mu       sync.Mutex
	start    time.Time
	timeline []sample
	log      *os.File
	phase    string
	tills    int
}

// sample is one line of the timeline.
type sample struct {
	Second   float64                     `json:"second"`
	Phase    string                      `json:"phase"`
	Replicas map[string]int              `json:"replicas"` // ready, by Deployment
	Wanted   map[string]int              `json:"wanted"`
	Queues   map[string]map[string]int64 `json:"queues"`
	Sent     int                         `json:"sent"`
}

func kubectl(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"-n", namespace}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes(), nil
}

func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// install applies the overlay and waits until everything that should run does.
func install(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, start: time.Now()}
	c.evidence = filepath.Join("../evidence", "e2e-"+how())
	if err := os.MkdirAll(c.evidence, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.log, err = os.Create(filepath.Join(c.evidence, "timeline.txt")); err != nil {
		t.Fatal(err)
	}
	remove(t)
	t.Cleanup(func() {
		if t.Failed() {
			c.dump()
		}
		if os.Getenv("E2E_KEEP") == "" {
			remove(t)
		}
	})
	c.apply(t)
	for _, workload := range []string{"statefulset/redis", "deployment/emulator", "deployment/ringup-ingest", "deployment/ringup-admin"} {
		c.kubectl(t, "rollout", "status", workload, "--timeout=180s")
	}
	c.emulator = c.forward(t, "service/emulator", 80)
	c.admin = c.forward(t, "service/ringup-admin", 80)
	go c.watch(t.Context())
	return c
}

// how it is installed: by kustomize or by the chart.
func how() string {
	if os.Getenv("E2E_INSTALL") == "chart" {
		return "chart"
	}
	return "kustomize"
}

func remove(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--wait").CombinedOutput(); err != nil {
		t.Logf("%v: %s", err, out)
	}
}

func (c *cluster) apply(t *testing.T) {
	t.Helper()
	folder := "overlay"
	if how() == "chart" {
		folder = "beside"
	}
	rendered, err := exec.CommandContext(t.Context(), "kubectl", "kustomize", folder).Output()
	if err != nil {
		t.Fatal(err)
	}
	manifest := strings.ReplaceAll(string(rendered), "image: redis:7.4-alpine", "image: "+os.Getenv("E2E_REDIS_IMAGE"))
	cmd := exec.CommandContext(t.Context(), "kubectl", "apply", "--server-side", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	} else if strings.Contains(string(out), "Warning") {
		t.Errorf("the cluster warns: %s", out)
	}
	if how() == "chart" {
		c.helm(t, "upgrade", "--install", "ringup", "../../charts/ringup", "--values", "../e2e/values.yaml")
	}
}

// helm runs Helm, from the module that pins it.
func (c *cluster) helm(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "helm", "--namespace", namespace}, args...)...)
	cmd.Dir = "../manifests"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("helm %s: %v: %s", args[0], err, out)
	}
	t.Logf("%s", out)
}

// forward makes a Service reachable from here for as long as the test runs.
func (c *cluster) forward(t *testing.T, target string, port int) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", "-n", namespace, "port-forward", target, fmt.Sprintf(":%d", port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var local int
	if _, err := fmt.Fscanf(out, "Forwarding from 127.0.0.1:%d -> ", &local); err != nil {
		t.Fatalf("port-forward to %s: %v", target, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return fmt.Sprintf("http://127.0.0.1:%d", local)
}

func get(ctx context.Context, url, token string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// watch samples the cluster every second.
func (c *cluster) watch(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s := sample{Replicas: map[string]int{}, Wanted: map[string]int{}, Queues: map[string]map[string]int64{}}
		var deployments struct {
			Items []struct {
				Metadata struct{ Name string }
				Spec     struct{ Replicas int }
				Status   struct{ ReadyReplicas int }
			}
		}
		out, err := kubectl(ctx, "", "get", "deployments", "-o", "json")
		if err != nil || json.Unmarshal(out, &deployments) != nil {
			continue
		}
		for _, d := range deployments.Items {
			s.Replicas[strings.TrimPrefix(d.Metadata.Name, "ringup-")] = d.Status.ReadyReplicas
			s.Wanted[strings.TrimPrefix(d.Metadata.Name, "ringup-")] = d.Spec.Replicas
		}
		var queues map[string]struct {
			Waiting         [4]int64
			Retry, Inflight int64
			Failed          int64
			Halted          string
		}
		_ = get(ctx, c.admin+"/admin/api/queues", "dev-admin", &queues) // Redis may be away
		for name, q := range queues {
			s.Queues[name] = map[string]int64{"waiting": q.Waiting[0] + q.Waiting[1] + q.Waiting[2] + q.Waiting[3], "retry": q.Retry, "inflight": q.Inflight, "failed": q.Failed}
			if q.Halted != "" {
				s.Queues[name]["halted"] = 1
			}
		}
		var count struct{ Count int }
		_ = get(ctx, c.emulator+"/_emulator/messages?count=1", "", &count)
		s.Sent = count.Count
		c.mu.Lock()
		s.Second, s.Phase = time.Since(c.start).Seconds(), c.phase
		c.timeline = append(c.timeline, s)
		var line strings.Builder
		_, _ = fmt.Fprintf(&line, "%6.0f s  %-2s", s.Second, s.Phase)
		for _, channel := range channels {
			q := s.Queues[channel]
			halted := ""
			if q["halted"] == 1 {
				halted = " halted"
			}
			_, _ = fmt.Fprintf(&line, "  %s %d/%d ready, %d waiting, %d sending, %d retry%s;", channel, s.Replicas["worker-"+channel],
				s.Wanted["worker-"+channel], q["waiting"], q["inflight"], q["retry"], halted)
		}
		if _, err := fmt.Fprintf(c.log, "%s  ingest %d  sent %d\n", line.String(), s.Replicas["ingest"], s.Sent); err != nil {
			c.t.Error(err)
		}
		c.mu.Unlock()
	}
}

// begin names the phase that the samples belong to.
func (c *cluster) begin(phase string) (from int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase = phase
	return len(c.timeline)
}

func (c *cluster) since(from int) []sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]sample(nil), c.timeline[from:]...)
}

// eventually asks until it holds; what it waits for shows on failure.
func eventually(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.After(limit)
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// fail tells the emulator how to answer; a list in JSON.
func (c *cluster) fail(t *testing.T, faults string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.emulator+"/_emulator/faults", strings.NewReader(faults))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, said)
	}
}

// till starts a pod that posts webhooks through the Service; the function waits for it to end.
func (c *cluster) till(t *testing.T, args ...string) func() summary {
	t.Helper()
	c.tills++
	name := fmt.Sprintf("till-%d", c.tills)
	list, err := json.Marshal(append([]string{"-token=dev-token"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"labels":{"app.kubernetes.io/name":"till"}},"spec":{"restartPolicy":"Never","automountServiceAccountToken":false,
"securityContext":{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"till","image":"ringup/till:dev","args":%s,
"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`, name, list)
	if _, err := kubectl(t.Context(), pod, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	return func() summary {
		t.Helper()
		eventually(t, name+" has posted everything", 5*time.Minute, func() bool {
			out, err := kubectl(t.Context(), "", "get", "pod", name, "-o", "jsonpath={.status.phase}")
			return err == nil && (string(out) == "Succeeded" || string(out) == "Failed")
		})
		var s summary
		said := c.kubectl(t, "logs", name)
		if err := json.Unmarshal([]byte(said), &s); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		t.Logf("%s: %s", name, strings.TrimSpace(said))
		return s
	}
}

type summary struct {
	Accepted int
	Answers  map[string]int
	Seconds  float64
}

// arrived waits until every recipient of a channel from first on has a message, and returns how many were sent more than once.
func (c *cluster) arrived(t *testing.T, channel string, first, n int) (twice int) {
	t.Helper()
	var messages []struct{ To string }
	var got map[string]int
	eventually(t, fmt.Sprintf("%d messages on %s", n, channel), 5*time.Minute, func() bool {
		messages = nil
		if err := get(t.Context(), c.emulator+"/_emulator/messages?channel="+channel, "", &messages); err != nil {
			return false
		}
		got = map[string]int{}
		for _, m := range messages {
			got[m.To]++
		}
		for i := first; i < first+n; i++ {
			if got[recipient(channel, i)] == 0 {
				return false
			}
		}
		return true
	})
	for i := first; i < first+n; i++ {
		twice += got[recipient(channel, i)] - 1
	}
	return twice
}

func recipient(channel string, i int) string {
	if channel == "email" {
		return fmt.Sprintf("c%d@example.com", i)
	}
	return fmt.Sprintf("+1555%07d", i)
}

// dump keeps what explains a failure.
func (c *cluster) dump() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for name, args := range map[string][]string{
		"pods.txt": {"get", "pods", "-o", "wide"}, "describe.txt": {"describe", "pods"}, "scaledobjects.yaml": {"get", "scaledobjects,hpa", "-o", "yaml"},
		"events.txt": {"get", "events", "--sort-by=.lastTimestamp"}, "logs.txt": {"logs", "-l", "app.kubernetes.io/part-of=ringup", "--tail=200", "--prefix", "--max-log-requests=30"},
	} {
		out, err := kubectl(ctx, "", args...)
		if err != nil {
			out = append(out, err.Error()...)
		}
		_ = os.WriteFile(filepath.Join(c.evidence, name), out, 0o644)
	}
}

var channels = []string{"sms", "email", "whatsapp"}

// slow is how long the providers take, so that there is a backlog to scale by.
const slow = `[{"kind":"slow","latency":200000000}]`

func TestCluster(t *testing.T) {
	c := install(t)
	if how() == "chart" {
		c.helm(t, "test", "ringup")
	}
	c.fail(t, slow)
	t.Run("a zero to many to zero", c.scales)
	t.Run("b rolling update under load", c.rolls)
	t.Run("c a worker gone without grace", c.loses)
	t.Run("d Redis restarted", c.restarts)
	t.Run("e a provider down", c.outage)
	t.Run("f retries due later", c.later)
	t.Logf("timeline: test/evidence/%s/timeline.txt", filepath.Base(c.evidence))
}

func (c *cluster) workersGone(t *testing.T) {
	t.Helper()
	eventually(t, "all workers scaled to zero", 4*time.Minute, func() bool {
		all := c.since(0)
		if len(all) == 0 {
			return false
		}
		last := all[len(all)-1]
		for _, channel := range channels {
			if n, known := last.Wanted["worker-"+channel]; !known || n != 0 {
				return false
			}
		}
		return true
	})
}

func (c *cluster) once(t *testing.T, first, n int) {
	t.Helper()
	for _, channel := range channels {
		if twice := c.arrived(t, channel, first, n); twice != 0 {
			t.Errorf("%d messages sent twice on %s", twice, channel)
		}
	}
}

func (c *cluster) scales(t *testing.T) {
	c.workersGone(t)
	from := c.begin("a")
	c.till(t, "-first=0", "-n=1000")()
	c.once(t, 0, 1000)
	c.workersGone(t)
	most := map[string]int{}
	for _, s := range c.since(from) {
		for name, n := range s.Replicas {
			most[name] = max(most[name], n)
		}
	}
	for _, channel := range channels {
		if most["worker-"+channel] < 2 {
			t.Errorf("%s had no more than %d workers, with hundreds waiting", channel, most["worker-"+channel])
		}
	}
	t.Logf("most workers ready: %v", most)
}

func (c *cluster) rolls(t *testing.T) {
	c.begin("b")
	posted := c.till(t, "-first=1000", "-n=2500", "-rate=50")
	eventually(t, "messages go out", 2*time.Minute, func() bool { all := c.since(0); return len(all) > 0 && all[len(all)-1].Sent > 3200 })
	workloads := []string{"deployment/ringup-ingest", "deployment/ringup-worker-sms", "deployment/ringup-worker-email", "deployment/ringup-worker-whatsapp"}
	c.kubectl(t, append([]string{"rollout", "restart"}, workloads...)...)
	for _, w := range workloads {
		c.kubectl(t, "rollout", "status", w, "--timeout=120s")
	}
	s := posted()
	if s.Accepted != 2500 || len(s.Answers) != 1 {
		t.Errorf("a POS saw the update: %v", s.Answers)
	}
	c.once(t, 1000, 2500)
}

func (c *cluster) loses(t *testing.T) {
	c.begin("c")
	c.till(t, "-first=4000", "-n=500")()
	eventually(t, "workers are sending", time.Minute, func() bool {
		all := c.since(0)
		last := all[len(all)-1]
		return last.Queues["sms"]["inflight"] >= 5 && last.Queues["sms"]["waiting"] > 20
	})
	// Longer than a pod without grace has, so that it is killed in the middle of sends.
	c.fail(t, `[{"kind":"slow","latency":6000000000}]`)
	eventually(t, "slow sends are under way", time.Minute, func() bool { all := c.since(0); return all[len(all)-1].Queues["sms"]["inflight"] >= 5 })
	victim := strings.Fields(c.kubectl(t, "get", "pods", "-l", "app.kubernetes.io/component=worker-sms", "--field-selector=status.phase=Running", "-o", "name"))[0]
	c.kubectl(t, "delete", victim, "--grace-period=0", "--force")
	c.fail(t, slow)
	twice := c.arrived(t, "sms", 4000, 500)
	if twice > 5 {
		t.Errorf("%d messages sent twice: only those that were being sent, 5 at most, may be", twice)
	}
	t.Logf("%d of 500 sent twice", twice)
	for _, channel := range []string{"email", "whatsapp"} {
		c.arrived(t, channel, 4000, 500)
	}
}

func (c *cluster) restarts(t *testing.T) {
	c.begin("d")
	posted := c.till(t, "-first=5000", "-n=900", "-rate=30")
	eventually(t, "webhooks come in", time.Minute, func() bool {
		var messages []struct{ To string }
		return get(t.Context(), c.emulator+"/_emulator/messages?channel=sms", "", &messages) == nil && len(messages) > 4100
	})
	// The connection ends with Redis, so the command's own answer says nothing.
	_, _ = kubectl(t.Context(), "", "exec", "redis-0", "--", "redis-cli", "--user", "e2e", "--pass", "e2e", "shutdown", "nosave", "now", "force")
	eventually(t, "Redis was restarted", time.Minute, func() bool {
		return c.kubectl(t, "get", "pod", "redis-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") != "0"
	})
	s := posted()
	if s.Answers["503"] == 0 {
		t.Errorf("Redis was away, and ingest did not say so: %v", s.Answers)
	}
	for answer := range s.Answers {
		if answer != "202" && answer != "503" {
			t.Errorf("while Redis was away, a POS was answered %s", answer)
		}
	}
	for _, channel := range channels {
		t.Logf("%d sent twice on %s", c.arrived(t, channel, 5000, 900), channel)
	}
}

func (c *cluster) outage(t *testing.T) {
	c.workersGone(t)
	from := c.begin("e")
	c.fail(t, `[{"provider":"twilio","probes":true,"status":500},{"kind":"slow","latency":200000000}]`)
	c.till(t, "-first=6000", "-n=600")()
	for _, channel := range []string{"email", "whatsapp"} {
		c.arrived(t, channel, 6000, 600)
	}
	for i, s := range c.since(from) {
		halted := i > 0 && s.Queues["sms"]["halted"] == 1
		// The first look of the scaler may come before the breaker opens.
		if halted && s.Wanted["worker-sms"] > 1 && c.since(from)[max(0, i-15)].Queues["sms"]["halted"] == 1 {
			t.Errorf("%d workers of a channel whose provider is down", s.Wanted["worker-sms"])
			break
		}
	}
	if all := c.since(0); all[len(all)-1].Queues["sms"]["halted"] != 1 {
		t.Error("the breaker is not open")
	}
	c.fail(t, slow)
	if twice := c.arrived(t, "sms", 6000, 600); twice != 0 {
		t.Errorf("%d messages sent twice", twice)
	}
}

func (c *cluster) later(t *testing.T) {
	c.workersGone(t)
	from := c.begin("f")
	// One refusal each: the message is due again after 45 seconds (RETRY_BACKOFF), longer than KEDA's cooldown.
	c.fail(t, `[{"provider":"sendgrid","status":500,"times":1}]`)
	c.till(t, "-first=7000", "-n=1", "-channels=email")()
	eventually(t, "the first attempt has failed", time.Minute, func() bool {
		all := c.since(0)
		return all[len(all)-1].Queues["email"]["retry"] == 1
	})
	c.arrived(t, "email", 7000, 1)
	waiting := 0
	for _, s := range c.since(from) {
		if s.Queues["email"]["retry"] != 1 {
			continue
		}
		waiting++
		if s.Wanted["worker-email"] != 1 {
			t.Errorf("at %.0f s a retry is due later, and %d workers are there for it", s.Second, s.Wanted["worker-email"])
		}
	}
	if waiting < 20 {
		t.Errorf("the retry was seen waiting for %d seconds only", waiting)
	}
	c.workersGone(t)
}
