//go:build e2e

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

// cluster is the cluster of KUBECONFIG, with ringup installed.
type cluster struct {
	t        *testing.T
	emulator string // the address of the providers' emulator
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

// install installs ringup, and waits until Redis, the emulator, ingest and admin are ready. The end of the test removes it.
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

// how returns the way of the installation: kustomize or chart.
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

// forward forwards a local port to a Service until the end of the test, and returns the local address.
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
		_ = get(ctx, c.admin+"/admin/api/queues", "dev-admin-password", &queues) // Redis may be away
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

// begin starts a phase of the timeline, and returns the index of its first sample.
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

// eventually waits until holds returns true. The test ends if that takes longer than limit.
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

// fail sets the emulator's faults, a list in JSON.
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

// till starts a pod that posts webhooks through the Service. The returned function waits until the pod has ended, and returns its output.
func (c *cluster) till(t *testing.T, args ...string) func() summary {
	t.Helper()
	c.tills++
	name := fmt.Sprintf("till-%d", c.tills)
	list, err := json.Marshal(append([]string{"-token=dev-webhook-token"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	pod := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"labels":{"app.kubernetes.io/name":"till"}},"spec":{"restartPolicy":"Never","automountServiceAccountToken":false,
"securityContext":{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"till","image":"ringup/till:dev","args":%s,
"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`, name, list)
	if _, err := kubectl(t.Context(), pod, "create", "-f", "-"); err != nil {
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

// arrived waits until n recipients of a channel, numbered from first, have a message. It returns the number of messages that were sent twice.
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

// dump writes the state of the cluster into files, to explain a failure.
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
