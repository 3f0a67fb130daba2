package redisstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// TestUsersInACluster gives the documented users what docs/security.md adds for a cluster: as them, webhooks go in and messages come out.
func TestUsersInACluster(t *testing.T) {
	t.Parallel()
	const more = "+cluster|slots +cluster|shards +readonly +command"
	root := filepath.Join("..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(root, "security.md"))
	if err != nil || !strings.Contains(string(page), "`"+more+"`") {
		t.Fatalf("docs/security.md does not say what a cluster needs: %v", err)
	}
	users, err := os.ReadFile(filepath.Join(root, "operations", "users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	addrs := redistest.StartCluster(t)
	for _, addr := range addrs {
		client := redis.NewClient(&redis.Options{Addr: addr})
		for line := range strings.Lines(string(users)) {
			words := strings.Fields(line + " " + more)
			if words[1] == "default" || words[1] == "keda" || words[1] == "operator" {
				continue
			}
			args := []any{"ACL", "SETUSER"}
			for _, word := range words[1:] {
				args = append(args, strings.ReplaceAll(word, "~{ringup:", "~{any:"))
			}
			if err := client.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Close()
	}
	as := func(name string) *Store {
		return open(t, Config{Addrs: addrs, Username: name}, func(c *Config) { c.Prefix, c.Password = "any", secret.String("change-me-"+name) })
	}
	producer := as("ingest").Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	if _, err := producer.Enqueue(t.Context(), webhook("a")); err != nil {
		t.Fatal(err)
	}
	worker := as("worker")
	consumer := worker.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if err != nil || len(claim.Jobs) != 1 {
		t.Fatalf("%+v, %v", claim, err)
	}
	if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{}}}, nil, nil); err != nil {
		t.Error(err)
	}
	shared := *claim.Jobs[0].Job
	shared.WebhookID, shared.SharedBody = "shared", true
	if err := errors.Join(worker.enqueueFallBacks(t.Context(), message.WhatsApp, []*job.Job{claim.Jobs[0].Job, &shared}), consumer.Heartbeat(t.Context(), "pod", 0, 1),
		consumer.Restore(t.Context())); err != nil {
		t.Errorf("a worker's message that falls back, a heartbeat, and a look for jobs to restore: %v", err)
	}
	ingest := as("ingest")
	if err := errors.Join(ingest.Sweeper(prometheus.NewRegistry()).sweep(t.Context(), message.SMS, true), ingest.restoreAll(t.Context(), message.SMS)); err != nil {
		t.Errorf("a sweep: %v", err)
	}
	_, said := ingest.Said(t.Context(), "shopify/shop/1/paid")
	_, next := ingest.NextReplay(t.Context())
	if err := errors.Join(said, next, ingest.Say(t.Context(), "shopify/shop/1/paid", time.Hour), ingest.SetAside(t.Context(), &queue.SetAside{ID: "1"}), ingest.EndReplay(t.Context(), "1"),
		ingest.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Counts: map[string]int64{"accepted": 1}})); err != nil {
		t.Errorf("senders' webhooks: %v", err)
	}
	admins := as("admin")
	if n, err := admins.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550100001", Why: suppress.Operator}}); err != nil || n != 1 {
		t.Errorf("an operator's entry: %d, %v", n, err)
	}
	tests := admins.Producer(prometheus.NewRegistry())
	t.Cleanup(tests.Close)
	if _, err := tests.Enqueue(t.Context(), webhook("test/1")); err != nil {
		t.Errorf("an operator's test message: %v", err)
	}
	if _, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1}); err != nil || len(claim.Jobs) != 1 {
		t.Errorf("%+v, %v", claim, err)
	} else if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{}}}, nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := producer.Enqueue(t.Context(), webhook("b")); err != nil {
		t.Fatal(err)
	}
	limited := worker.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute, RecipientLimit: 1}, []string{"p"})
	if _, claim, err := limited.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 9}); err != nil || len(claim.Jobs) != 1 {
		t.Errorf("a claim whose recipients are looked up: %+v, %v", claim, err)
	}
	if err := errors.Join(ingest.Ping(t.Context()), worker.Ping(t.Context()), admins.Ping(t.Context()), consumer.Blocks(t.Context())); err != nil {
		t.Errorf("readiness: %v", err)
	}
	for _, store := range []*Store{ingest, worker, admins} {
		warnings, err := store.warnings(t.Context())
		if text := strings.Join(warnings, "\n"); err != nil || strings.Contains(text, "refuses") {
			t.Errorf("the doctor: %s, %v", text, err)
		}
	}
	deliveries := as("ingest").Deliveries(prometheus.NewRegistry())
	if err := errors.Join(deliveries.store.rekeyAll(t.Context(), message.SMS), deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
		{EventID: "1", Provider: "p", Channel: message.SMS, Address: "+15550100001", Kind: suppress.OptIn, Why: suppress.StopWord}}}), deliveries.applyAll(t.Context(), message.SMS)); err != nil {
		t.Errorf("a preference, and the entries of 0.1.0: %v", err)
	}
	if _, err := admins.Forget(t.Context(), queue.ForgetRequest{Person: nobody{}, AtMost: 1000}); err != nil {
		t.Errorf("forgetting: %v", err)
	}
	if state, err := as("admin").State(t.Context(), message.SMS); err != nil || state.Completed != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

// aclServer runs a Redis with the users of docs/operations/users.acl, and a user of the test's own.
func aclServer(t *testing.T) *redistest.Server {
	t.Helper()
	documented, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations", "users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(users, append(documented, "user test on >test ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	return redistest.StartAs(t, "test", "test", "--aclfile", users)
}

func clientOf(t *testing.T, server *redistest.Server, name string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: name, Password: "change-me-" + name, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// lengths is the script of KEDA's Redis scaler.
const lengths = `
local listName = KEYS[1]
local listType = redis.call('type', listName).ok
local cmd = {zset = 'zcard', set = 'scard', list = 'llen', hash = 'hlen', none = 'llen'}
return redis.call(cmd[listType], listName)`

// TestKEDAsUser: it may read the lengths of the keys of the triggers, whatever their types, with the handshake of the library that KEDA uses.
func TestKEDAsUser(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	all, keda := server.Client(), clientOf(t, server, "keda")
	for _, channel := range message.Channels {
		keys := NewKeys("ringup", channel)
		err := errors.Join(all.LPush(t.Context(), keys.Queue[0], "x").Err(), all.ZAdd(t.Context(), keys.Inflight, redis.Z{Member: "x"}).Err(), all.HSet(t.Context(), keys.Halted, "x", 1).Err())
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]int64{keys.Queue[0]: 1, keys.Queue[3]: 0, keys.Inflight: 1, keys.Retry: 0, keys.Halted: 1} {
			if got, err := keda.Eval(t.Context(), lengths, []string{key}).Int64(); err != nil || got != want {
				t.Errorf("%s: %d, %v", key, got, err)
			}
		}
	}
}

// TestForeignKeys: a user reaches the keys of its own prefix only. The prefixes of others may begin with it.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	own := func(prefix string) string { return NewKeys(prefix, message.SMS).Queue[0] }
	for _, name := range []string{"ingest", "worker", "admin", "keda"} {
		client := clientOf(t, server, name)
		if err := client.LLen(t.Context(), own("ringup")).Err(); err != nil {
			t.Errorf("%s: its own keys: %v", name, err)
		}
		for _, key := range []string{own("ringup:staging"), own("ringup:sms"), own("ringup2"), "{ringup:sms", "{ringup:sms2}:queue:1", "{ringup:}", "ringup:sms:x", "x{ringup:sms}:queue:1", "*", ""} {
			if err := client.LLen(t.Context(), key).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
				t.Errorf("%s may read %q: %v", name, key, err)
			}
		}
		sessions := client.LLen(t.Context(), "{ringup:admin}:session:x").Err()
		if refused := sessions != nil && strings.Contains(sessions.Error(), "NOPERM"); refused == (name == "admin") {
			t.Errorf("%s and the operators' sessions: %v", name, sessions)
		}
	}
}

// TestDangerousCommands: none of Redis's dangerous or administrative commands is allowed to any user, but for those named here.
func TestDangerousCommands(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	all := server.Client()
	dangerous := map[string]bool{}
	for _, category := range []string{"dangerous", "admin"} {
		commands, err := all.Do(t.Context(), "ACL", "CAT", category).StringSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			first, _, _ := strings.Cut(c, "|") // who may use the command may use its subcommands
			dangerous[first] = true
		}
	}
	// INFO has Redis's memory and version.
	allowed := map[string]string{"ingest": "info", "worker": "info", "admin": "info", "keda": "", "operator": ""}
	documented, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations", "users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(documented)) {
		words := strings.Fields(line)
		one, known := allowed[words[1]]
		if !known && words[1] != "default" {
			t.Errorf("this test does not know %s", words[1])
		}
		for _, word := range words[2:] {
			if command, plus := strings.CutPrefix(word, "+"); plus && known && (dangerous[command] || command[0] == '@') && command != one {
				t.Errorf("%s may %s", words[1], command)
			}
		}
	}
	for _, name := range []string{"ingest", "worker", "admin", "keda", "operator"} {
		client := clientOf(t, server, name)
		for _, command := range [][]any{
			{"CLIENT", "PAUSE", "1"}, {"CLIENT", "UNPAUSE"}, {"CLIENT", "LIST"}, {"CLIENT", "KILL", "TYPE", "normal"}, {"CLIENT", "NO-EVICT", "on"}, {"CLIENT", "TRACKING", "on"},
			{"SCRIPT", "FLUSH"}, {"SCRIPT", "LOAD", "return 1"}, {"FLUSHALL"}, {"FLUSHDB"}, {"CONFIG", "GET", "*"}, {"ACL", "LIST"}, {"MONITOR"}, {"SHUTDOWN"}, {"KEYS", "*"},
		} {
			if err := client.Do(t.Context(), command...).Err(); err == nil || !strings.Contains(strings.ToLower(err.Error()), "permission") {
				t.Errorf("%s may %v: %v", name, command, err)
			}
		}
	}
}

// TestOperatorsUser: it ends a script that does not end, which the programs' own users cannot, and may do nothing else.
func TestOperatorsUser(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	worker, operator := clientOf(t, server, "worker"), clientOf(t, server, "operator")
	if err := server.Client().ConfigSet(t.Context(), "busy-reply-threshold", "50").Err(); err != nil {
		// Redis 6.2 knows it by another name.
		if err := server.Client().ConfigSet(t.Context(), "lua-time-limit", "50").Err(); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- worker.Eval(t.Context(), "while true do end", nil).Err() }()
	redistest.Eventually(t, "the script holds Redis, and the operator ends it", func() bool { return operator.ScriptKill(t.Context()).Err() == nil })
	if err := <-ended; err == nil {
		t.Error("the script ended by itself")
	}
	if err := worker.ScriptKill(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a worker may end scripts: %v", err)
	}
	for _, command := range [][]any{{"LLEN", "{ringup:sms}:queue:1"}, {"GET", "x"}, {"EVAL", "return 1", "0"}, {"INFO"}} {
		if err := operator.Do(t.Context(), command...).Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("the operator may %v: %v", command, err)
		}
	}
}

// nobody is a person without data.
type nobody struct{}

func (nobody) Address() message.Address { return "+15550100009" }

func (nobody) Owns(message.Address, *event.Event) bool { return false }
