//go:build e2e

// Package e2e installs ringup on a real cluster, and tests it with KEDA, rolling updates, crashes and outages. hack/e2e runs it.
package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slow makes the providers slow, so that there is a backlog to scale by.
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
	t.Run("g Redis away for a minute", c.away)
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
	// Sends take longer than the pod has to live, so that it is killed with jobs in flight.
	c.fail(t, `[{"kind":"slow","latency":6000000000}]`)
	eventually(t, "slow sends are in flight", time.Minute, func() bool { all := c.since(0); return all[len(all)-1].Queues["sms"]["inflight"] >= 5 })
	victim := strings.Fields(c.kubectl(t, "get", "pods", "-l", "app.kubernetes.io/component=worker-sms", "--field-selector=status.phase=Running", "-o", "name"))[0]
	c.kubectl(t, "delete", victim, "--grace-period=0", "--force")
	c.fail(t, slow)
	twice := c.arrived(t, "sms", 4000, 500)
	if twice > 5 {
		t.Errorf("%d messages sent twice: at most those in flight may be, which are 5", twice)
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
	// The connection ends with Redis, so the command's own answer is ignored.
	_, _ = kubectl(t.Context(), "", "exec", "redis-0", "--", "redis-cli", "--user", "e2e", "--pass", "e2e", "shutdown", "nosave", "now", "force")
	eventually(t, "Redis was restarted", time.Minute, func() bool {
		return c.kubectl(t, "get", "pod", "redis-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") != "0"
	})
	s := posted()
	if s.Answers["503"] == 0 {
		t.Errorf("ingest did not answer 503 while Redis was away: %v", s.Answers)
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
		// The scaler may poll before the breaker opens.
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
	// Each message is refused once, and is due again after 45 seconds (RETRY_BACKOFF), which is longer than KEDA's cooldown.
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
			t.Errorf("at %.0f s, %d workers for retries that are due later", s.Second, s.Wanted["worker-email"])
		}
	}
	if waiting < 20 {
		t.Errorf("the retry waited for %d seconds only", waiting)
	}
	c.workersGone(t)
}

// away has Redis answer nothing for a minute, which is longer than a readiness probe's patience: ingest stays in its Service and answers 503 itself.
func (c *cluster) away(t *testing.T) {
	c.fail(t, slow)
	from := c.begin("g")
	before := c.since(0)
	sent := before[len(before)-1].Sent
	posted := c.till(t, "-first=8000", "-n=900", "-rate=10")
	eventually(t, "webhooks come in", time.Minute, func() bool { all := c.since(from); return len(all) > 0 && all[len(all)-1].Sent > sent })
	c.kubectl(t, "exec", "redis-0", "--", "redis-cli", "--user", "e2e", "--pass", "e2e", "client", "pause", "60000")
	s := posted()
	if s.Answers["503"] == 0 {
		t.Errorf("ingest did not answer 503 while Redis was away: %v", s.Answers)
	}
	for answer := range s.Answers {
		if answer != "202" && answer != "503" {
			t.Errorf("while Redis was away, a POS was answered %s", answer)
		}
	}
	for _, sample := range c.since(from) {
		if sample.Replicas["ingest"] == 0 {
			t.Errorf("at %.0f s no replica of ingest was ready", sample.Second)
			break
		}
	}
	for _, channel := range channels {
		t.Logf("%d sent twice on %s", c.arrived(t, channel, 8000, 900), channel)
	}
}
