package redisstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
)

var programs = []Program{Ingest, Worker, Admin}

// readyAs asks as a user, in a store of its own, since connections keep what they signed in as.
func readyAs(t *testing.T, server *redistest.Server, p Program, user, prefix string) error {
	t.Helper()
	config := url(server.Addr())
	config.URL = secret.String("redis://" + user + ":change-me-" + user + "@" + server.Addr())
	store := open(t, config, func(c *Config) { c.Prefix = prefix })
	return store.Ready(p, message.Queues...)(t.Context())
}

// TestReadyAsTheDocumentedUsers: with the rights of docs/operations/users.acl each program is ready, as itself, and with the keys of another
// prefix it is not. A password that is wrong is named as one.
func TestReadyAsTheDocumentedUsers(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	for _, p := range programs {
		if err := readyAs(t, server, p, string(p), "ringup"); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if err := readyAs(t, server, p, string(p), "ringup:staging"); err == nil || !strings.Contains(err.Error(), "RINGUP_PREFIX") || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s, with the keys of another prefix: %v", p, err)
		}
		if err := server.Client().Do(t.Context(), "ACL", "SETUSER", string(p), "resetpass", ">another").Err(); err != nil {
			t.Fatal(err)
		}
		if err := readyAs(t, server, p, string(p), "ringup"); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("%s, with a wrong password: %v", p, err)
		}
	}
	for user, p := range map[string]Program{"worker": Resolve, "ingest": Ingest} {
		if err := server.Client().Do(t.Context(), "ACL", "SETUSER", user, "resetpass", ">change-me-"+user).Err(); err != nil {
			t.Fatal(err)
		}
		if err := readyAs(t, server, p, user, "ringup"); err != nil {
			t.Errorf("%s as %s: %v", p, user, err)
		}
		if err := server.Client().Do(t.Context(), "ACL", "SETUSER", user, "resetkeys", "~{ringup:sms}:*", "~{ringup:email}:*", "~{ringup:whatsapp}:*").Err(); err != nil {
			t.Fatal(err)
		}
		if err := readyAs(t, server, p, user, "ringup"); err == nil || !strings.Contains(err.Error(), "users.acl") {
			t.Errorf("%s without the keys of resolve: %v", p, err)
		}
	}
	if err := readyAs(t, server, Ingest, "keda", "ringup"); err == nil || !strings.Contains(err.Error(), "users.acl") {
		t.Errorf("ingest as KEDA: %v", err)
	}
}

// TestReadyNamesWhatIsDenied: a user without any one of the commands that a program's scripts use is not ready, and the command is named.
func TestReadyNamesWhatIsDenied(t *testing.T) {
	t.Parallel()
	server := aclServer(t)
	tells, err := server.Client().Eval(t.Context(), "return redis.acl_check_cmd and 1 or 0", nil).Bool()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		scripts := compile()
		commands := scripts.commands(p)
		if !slices.Contains(commands, "ZREM") || len(commands) < 10 {
			t.Errorf("%s: %v", p, commands)
		}
		for _, command := range append(commands, "EVALSHA") {
			right := func(sign string) {
				t.Helper()
				if err := server.Client().Do(t.Context(), "ACL", "SETUSER", string(p), sign+strings.ToLower(command)).Err(); err != nil {
					t.Fatal(err)
				}
			}
			right("-")
			err := readyAs(t, server, p, string(p), "ringup")
			if tried := tells || command == "EVALSHA" || command == "ZREM"; tried && (err == nil || !strings.Contains(err.Error(), "users.acl")) {
				t.Errorf("%s without %s: %v", p, command, err)
			}
			if tells && !strings.Contains(strings.ToUpper(err.Error()), command) {
				t.Errorf("%s is not named: %v", command, err)
			}
			right("+")
			if err := readyAs(t, server, p, string(p), "ringup"); err != nil {
				t.Fatalf("%s with %s again: %v", p, command, err)
			}
		}
	}
}

// TestReadyChangesNothing: also where keys are there, and another program's.
func TestReadyChangesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, url(server.Addr()), nil)
	client := server.Client()
	if err := client.LPush(t.Context(), store.keys[message.SMS].Inflight, "another program's").Err(); err != nil {
		t.Fatal(err)
	}
	dump := func() string {
		all, err := client.Dump(t.Context(), store.keys[message.SMS].Inflight).Result()
		if err != nil {
			t.Fatal(err)
		}
		keys, err := client.Keys(t.Context(), "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return all + strings.Join(keys, " ")
	}
	before := dump()
	for _, p := range programs {
		if err := store.Ready(p, message.Channels...)(t.Context()); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if dump() != before {
		t.Error("a look changed something")
	}
}

// TestReadyEmbedded: the server inside `ringup dev`, which has no users.
func TestReadyEmbedded(t *testing.T) {
	t.Parallel()
	store := open(t, url(miniredis.RunT(t).Addr()), nil)
	for _, p := range programs {
		if err := store.Ready(p, message.Channels...)(t.Context()); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestReadyTakesWrites: a Redis that is full is ready, since settlements go on; a replica is not.
func TestReadyTakesWrites(t *testing.T) {
	t.Parallel()
	server, other := redistest.Start(t), redistest.Start(t)
	store := open(t, url(server.Addr()), nil)
	ready := store.Ready(Ingest, message.Channels...)
	if err := server.Client().ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err != nil {
		t.Errorf("full: %v", err)
	}
	if err := server.Client().ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(other.Addr(), ":")
	if err := server.Client().ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("a replica: %v", err)
	}
}

// TestReadyInACluster: a shard that is away makes the workers of its channels not ready, and neither the other channels' nor ingest.
func TestReadyInACluster(t *testing.T) {
	t.Parallel()
	addrs := redistest.StartCluster(t)
	store := open(t, Config{Addrs: addrs}, nil)
	for _, p := range programs {
		if err := store.Ready(p, message.Channels...)(t.Context()); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
	}
	shard := map[message.Channel]string{}
	for _, channel := range message.Channels {
		master, err := store.client.(*redis.ClusterClient).MasterForKey(t.Context(), store.keys[channel].Inflight)
		if err != nil {
			t.Fatal(err)
		}
		shard[channel] = master.Options().Addr
	}
	lost := shard[message.SMS]
	client := redis.NewClient(&redis.Options{Addr: lost})
	defer func() { _ = client.Close() }()
	for _, addr := range addrs { // so that the other shards go on without it
		other := redis.NewClient(&redis.Options{Addr: addr})
		if err := other.ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
		_ = other.Close()
	}
	_ = client.ShutdownNoSave(t.Context()) // the connection ends with it
	there := 0
	for _, channel := range message.Channels {
		err := store.Ready(Worker, channel)(t.Context())
		if away := shard[channel] == lost; (err != nil) != away {
			t.Errorf("the workers of %s, whose shard is away: %t: %v", channel, away, err)
		} else if !away {
			there++
		}
	}
	if err := store.Ready(Ingest, message.Channels...)(t.Context()); (err == nil) != (there > 0) {
		t.Errorf("ingest, with %d channels there: %v", there, err)
	}
}
