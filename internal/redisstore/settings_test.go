package redisstore

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestShared: each setting either changes the fingerprint, or is among those that say where Redis is, are in the names of the keys, or are secret.
func TestShared(t *testing.T) {
	t.Parallel()
	alone := []string{"REDIS_", "PRIVACY_KEY", "RINGUP_PREFIX", "KEDA_KEYS"}
	of := reflect.TypeFor[Config]()
	for i := range of.NumField() {
		variable, _, _ := strings.Cut(of.Field(i).Tag.Get("env"), ",")
		if variable == "" {
			continue
		}
		var c Config
		switch f := reflect.ValueOf(&c).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("another")
		case reflect.Int, reflect.Int64:
			f.SetInt(1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"whatsapp": "sms"}))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		default:
			t.Fatalf("%s is of a kind that this test does not set", variable)
		}
		out := slices.ContainsFunc(alone, func(name string) bool { return strings.HasPrefix(variable, name) })
		if got := c.shared(); (got == (&Config{}).shared()) != out || len(got) != 8 {
			t.Errorf("%s: the fingerprint is %q", variable, got)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	type settings struct{ Key secret.String }
	if a, b := Fingerprint(settings{"one"}), Fingerprint(settings{"two"}); a != b || a == "" {
		t.Errorf("a secret counts: %q, %q", a, b)
	}
	if got := Fingerprint(func() {}); got != "" {
		t.Errorf("of a function: %q", got)
	}
}

// TestSettingsDiffer: ingest, admin and workers of which one has other settings, on one Redis.
func TestSettingsDiffer(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	config := s.store.config
	config.KeepFailed++
	other := open(t, config, func(c *Config) { *c = config })
	differ := func(want ...string) {
		t.Helper()
		if got := s.state().SettingsDiffer; !slices.Equal(got, want) {
			t.Errorf("%q differ, want %q", got, want)
		}
		registry, found := prometheus.NewRegistry(), false
		registry.MustRegister(s.store.QueueCollector("a program"))
		families, err := registry.Gather()
		s.must(err)
		for _, f := range families {
			found = found || f.GetName() == "ringup_queue_settings_differ" && slices.ContainsFunc(f.GetMetric(), func(m *dto.Metric) bool {
				return m.GetLabel()[0].GetValue() == string(message.SMS) && m.GetGauge().GetValue() == float64(len(want))
			})
		}
		if !found {
			t.Errorf("the metric is not %d", len(want))
		}
	}
	worker := func(of *Store, id, own string) *Consumer {
		c := of.Consumer(message.SMS, ConsumerConfig{Settings: own}, nil)
		s.must(c.Heartbeat(t.Context(), id, 0, 1))
		return c
	}
	note := func(of *Store, p Program, id, own string) { s.must(of.noteAlive(t.Context(), message.SMS, p, id, own)) }
	note(s.store, Ingest, "ingest-1", "a")
	note(s.store, Admin, "admin-1", "b")
	worker(s.store, "worker-1", "c")
	differ()
	mixed := worker(s.store, "worker-3", "d") // in what workers share
	worker(s.store, "worker-2", "c")
	note(other, Ingest, "ingest-2", "a") // in what all share
	differ("ingest-2", "worker-3")
	s.must(mixed.Deregister(t.Context(), "worker-3"))
	differ("ingest-2")
	// One that has been silent, or whose time is ahead, counts no more, and is forgotten with the next heartbeat.
	keys := s.store.keys[message.SMS]
	key := keys.programs()
	says := s.store.client.HGet(t.Context(), key, "ingest-2").Val()
	_, says, _ = strings.Cut(says, " ")
	for _, at := range []string{"0", "9000000000000", "x"} {
		s.must(s.store.client.HSet(t.Context(), key, "ingest-2", at+" "+says).Err())
		differ()
	}
	note(s.store, Ingest, "ingest-1", "a")
	if all := s.store.client.HKeys(t.Context(), key).Val(); slices.Contains(all, "ingest-2") {
		t.Errorf("remembered: %q", all)
	}
	if ttl := s.store.client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > workerTimeout {
		t.Errorf("the key stays for %s", ttl)
	}
	s.must(s.store.client.HSet(t.Context(), keys.Workers, "worker-0.1", time.Now().UTC().Format("20060102")+" {}").Err())
	differ()
}

// TestDiffering: most decide, and of equally many one side; programs of 0.1 say nothing.
func TestDiffering(t *testing.T) {
	t.Parallel()
	p := func(id, program, shared, own string) queue.ProgramState {
		return queue.ProgramState{ID: id, Program: program, Settings: queue.Settings{Shared: shared, Own: own}}
	}
	for name, tt := range map[string]struct {
		all  []queue.ProgramState
		want []string
	}{
		"none":            {nil, nil},
		"one":             {[]queue.ProgramState{p("a", "ingest", "1", "1")}, nil},
		"of 0.1":          {[]queue.ProgramState{p("a", "worker", "", ""), p("b", "worker", "1", "2"), p("c", "worker", "", "")}, nil},
		"own of two":      {[]queue.ProgramState{p("a", "ingest", "1", "1"), p("b", "worker", "1", "2")}, nil},
		"two":             {[]queue.ProgramState{p("a", "ingest", "1", "1"), p("b", "worker", "2", "2")}, []string{"a"}},
		"the one":         {[]queue.ProgramState{p("a", "worker", "1", "1"), p("c", "worker", "2", "1"), p("b", "worker", "1", "1")}, []string{"c"}},
		"in both ways":    {[]queue.ProgramState{p("a", "worker", "1", "1"), p("c", "worker", "2", "2"), p("b", "worker", "1", "1")}, []string{"c"}},
		"several, sorted": {[]queue.ProgramState{p("z", "worker", "2", "1"), p("b", "worker", "1", "1"), p("c", "ingest", "1", ""), p("d", "admin", "1", ""), p("a", "worker", "3", "1")}, []string{"a", "z"}},
	} {
		if got := queue.Differing(tt.all); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
