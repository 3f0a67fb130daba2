package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
)

// The kinds of Redis that a run can have.
const (
	standalone = "standalone" // one server
	sentinel   = "sentinel"   // a master and its replicas, watched by three sentinels
	cluster    = "cluster"    // three shards, each a master and its replicas; each has one channel
)

var topologies = []string{standalone, sentinel, cluster}

// masterName is what the sentinels call the master.
const masterName = "ringup"

// server is a redis-server behind a proxy. Programs, sentinels and replicas connect to the proxy, the run itself to the server.
type server struct {
	*process
	shard  int
	dir    string
	port   int
	proxy  *proxy
	client *redis.Client // to the server, not the proxy
}

// info reads a field of INFO; "" when the server does not answer or has no such field.
func (s *server) info(ctx context.Context, section, name string) string {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return ""
	}
	return field(text, name)
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+":"); found {
			return value
		}
	}
	return ""
}

// refused returns how many commands a server has answered with an error of a kind, as OOM, since it started.
func (s *server) refused(ctx context.Context, kind string) int {
	var n int
	_, _ = fmt.Sscanf(s.info(ctx, "errorstats", "errorstat_"+kind), "count=%d", &n)
	return n
}

// topology is a run's Redis.
type topology struct {
	kind      string
	options   options
	servers   []*server
	sentinels []*process
	shardOf   map[message.Channel]int
	env       []string // the variables by which programs find it
	ended     context.CancelFunc
	watching  sync.WaitGroup
	watch     *watch
}

// startTopology starts the Redis that the options ask for, every server with an append-only file, and watches its replication.
func startTopology(ctx context.Context, dir string, o options) (*topology, error) {
	path, err := exec.LookPath(cmpOr(os.Getenv("REDIS_SERVER"), "redis-server"))
	if err != nil {
		return nil, errors.New("redis-server is not installed: `make test` installs it, or set REDIS_SERVER to its path")
	}
	library, err := preload(dir)
	if err != nil {
		return nil, err
	}
	t := &topology{kind: o.topology, options: o, shardOf: map[message.Channel]int{}}
	switch o.topology {
	case standalone:
		err = t.startStandalone(path, dir, library)
	case sentinel:
		err = t.startSentinel(ctx, path, dir, library)
	case cluster:
		err = t.startCluster(ctx, path, dir, library)
	default:
		err = fmt.Errorf("-topology is %q: there are %s, and all", o.topology, strings.Join(topologies, ", "))
	}
	if err != nil {
		t.close()
		return nil, err
	}
	watched, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.ended = cancel
	t.watch = newWatch(t, dir)
	t.watch.start(watched, t)
	if !waitUntil(ctx, 20*time.Second, func() bool { return t.whole(ctx) }) {
		t.close()
		return nil, fmt.Errorf("the %s is not whole in 20 s", t.kind)
	}
	return t, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// add starts one more server, with more lines for its configuration.
func (t *topology) add(path, dir, library string, shard int, lines ...string) (*server, error) {
	name := "Redis"
	if t.kind != standalone {
		name = fmt.Sprintf("Redis %d", len(t.servers))
	}
	s := &server{process: &process{name: name, path: path}, shard: shard, port: freePort(), dir: filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	var err error
	if s.proxy, err = newProxy(address); err != nil {
		return nil, err
	}
	_, announced, _ := net.SplitHostPort(s.proxy.address())
	// The append-only file is never rewritten, since readHistory replays all of it. Redis rewrites this configuration itself (CONFIG REWRITE).
	config := filepath.Join(s.dir, "redis.conf")
	lines = append(lines, fmt.Sprintf("port %d", s.port), "bind 127.0.0.1", "dir "+s.dir, `save ""`, "appendonly yes", "appendfsync "+t.options.fsync, "auto-aof-rewrite-percentage 0",
		"loglevel warning", "maxmemory-policy noeviction", "repl-diskless-sync-delay 0", "replica-announce-ip 127.0.0.1", "replica-announce-port "+announced)
	if t.options.minReplicas {
		lines = append(lines, "min-replicas-to-write 1", "min-replicas-max-lag 1")
	}
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	s.args = []string{config}
	if library != "" {
		if s.clock, err = newShift(dir, name); err != nil {
			return nil, err
		}
		s.env = append(os.Environ(), "LD_PRELOAD="+library, "CHAOS_CLOCK="+s.clock.path)
	}
	s.client = redis.NewClient(&redis.Options{Addr: address, PoolSize: 2, MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true})
	t.servers = append(t.servers, s)
	if err := s.start(); err != nil {
		return nil, err
	}
	if !waitUntil(context.Background(), 10*time.Second, func() bool { return s.client.Ping(context.Background()).Err() == nil }) {
		return nil, fmt.Errorf("%s does not answer: %s", s.name, s.log.text())
	}
	return s, nil
}

func (t *topology) startStandalone(path, dir, library string) error {
	s, err := t.add(path, dir, library, 0)
	if err != nil {
		return err
	}
	t.env = []string{"REDIS_URL=redis://" + s.proxy.address()}
	return nil
}

func (t *topology) startSentinel(ctx context.Context, path, dir, library string) error {
	master, err := t.add(path, dir, library, 0)
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(master.proxy.address())
	for range t.options.replicas {
		if _, err = t.add(path, dir, library, 0, "replicaof "+host+" "+port); err != nil {
			return err
		}
	}
	var addresses []string
	for i := range 3 {
		own := freePort()
		config := filepath.Join(dir, fmt.Sprintf("sentinel-%d.conf", i))
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 10000\n",
			own, dir, masterName, host, port, masterName, masterName)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return err
		}
		p := &process{name: fmt.Sprintf("sentinel %d", i), path: path, args: []string{config, "--sentinel"}, address: fmt.Sprintf("127.0.0.1:%d", own)}
		if err := p.start(); err != nil {
			return err
		}
		t.sentinels = append(t.sentinels, p)
		addresses = append(addresses, p.address)
	}
	for _, address := range addresses {
		client := redis.NewSentinelClient(&redis.Options{Addr: address})
		knows := waitUntil(ctx, 20*time.Second, func() bool {
			others, err := client.Sentinels(ctx, masterName).Result()
			replicas, replicasErr := client.Replicas(ctx, masterName).Result()
			return err == nil && replicasErr == nil && len(others) == 2 && len(replicas) == t.options.replicas
		})
		_ = client.Close()
		if !knows {
			return errors.New("the sentinels do not find each other and the replica")
		}
	}
	t.env = []string{"REDIS_ADDRS=" + strings.Join(addresses, ","), "REDIS_SENTINEL_MASTER=" + masterName}
	return nil
}

func (t *topology) startCluster(ctx context.Context, path, dir, library string) error {
	const shards = 3
	var buses []int
	for i := range (1 + t.options.replicas) * shards {
		bus := freePort()
		buses = append(buses, bus)
		s, err := t.add(path, dir, library, i%shards, "cluster-enabled yes", "cluster-node-timeout 2000", fmt.Sprintf("cluster-port %d", bus),
			"cluster-announce-ip 127.0.0.1", fmt.Sprintf("cluster-announce-bus-port %d", bus))
		if err != nil {
			return err
		}
		_, announced, _ := net.SplitHostPort(s.proxy.address())
		if err := s.client.ConfigSet(ctx, "cluster-announce-port", announced).Err(); err != nil {
			return err
		}
		s.client.ConfigRewrite(ctx)
	}
	// The slots are divided so that each shard has one channel.
	slots := map[message.Channel]int{}
	for _, channel := range message.Channels {
		slot, err := t.servers[0].client.ClusterKeySlot(ctx, "{ringup:"+string(channel)+"}").Result()
		if err != nil {
			return err
		}
		slots[channel] = int(slot)
	}
	channels := slices.SortedFunc(slices.Values(message.Channels), func(a, b message.Channel) int { return slots[a] - slots[b] })
	from := 0
	for i, channel := range channels {
		to := slots[channel]
		if i == shards-1 {
			to = 16383
		}
		t.shardOf[channel] = i
		client := t.servers[i].client
		if err := client.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return err
		}
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		from = to + 1
	}
	for i, s := range t.servers[1:] {
		if err := t.servers[0].client.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", s.port, buses[i+1]).Err(); err != nil {
			return err
		}
	}
	known := func(s *server) bool {
		info, err := s.client.ClusterInfo(ctx).Result()
		return err == nil && field(info, "cluster_known_nodes") == fmt.Sprint(len(t.servers)) && field(info, "cluster_state") == "ok"
	}
	if !waitUntil(ctx, 20*time.Second, func() bool { return !slices.ContainsFunc(t.servers, func(s *server) bool { return !known(s) }) }) {
		return errors.New("the cluster's nodes do not find each other")
	}
	var addresses []string
	for i, s := range t.servers {
		addresses = append(addresses, s.proxy.address())
		if i < shards {
			continue
		}
		id, err := t.servers[i%shards].client.Do(ctx, "CLUSTER", "MYID").Text()
		if err != nil {
			return err
		}
		if err := s.client.ClusterReplicate(ctx, id).Err(); err != nil {
			return err
		}
	}
	t.env = []string{"REDIS_ADDRS=" + strings.Join(addresses, ",")}
	return nil
}

// master returns the master of a channel's keys, by the latest answers to the watch.
func (t *topology) master(channel message.Channel) *server { return t.watch.master(t.shardOf[channel]) }

// whole says whether every shard has one master that all its replicas follow, and, in a cluster, whether every node knows that.
func (t *topology) whole(ctx context.Context) bool {
	for _, s := range t.servers {
		master := t.watch.master(s.shard)
		if s == master && s.info(ctx, "replication", "role") != "master" ||
			s != master && (s.info(ctx, "replication", "master_link_status") != "up" || master.info(ctx, "replication", "connected_slaves") != fmt.Sprint(t.options.replicas)) {
			return false
		}
		if t.kind == cluster && s.info(ctx, "cluster", "cluster_enabled") == "1" {
			state, err := s.client.ClusterInfo(ctx).Result()
			if err != nil || field(state, "cluster_state") != "ok" {
				return false
			}
		}
	}
	return true
}

// states describes every server and the output of every sentinel, to explain why a topology is not whole.
func (t *topology) states(ctx context.Context) string {
	var text strings.Builder
	for _, s := range t.servers {
		_, _ = fmt.Fprintf(&text, "%s (%s): %s, master %s, link %s\n", s.name, s.proxy.address(), s.info(ctx, "replication", "role"),
			s.info(ctx, "replication", "master_port"), s.info(ctx, "replication", "master_link_status"))
	}
	for _, p := range t.sentinels {
		_, _ = fmt.Fprintf(&text, "%s: %s\n", p.name, p.log.text())
	}
	return text.String()
}

// cut ends connections to Redis after so many more bytes of each server's replies; 0 ends none.
func (t *topology) cut(after int) {
	for _, s := range t.servers {
		s.proxy.cut(after)
	}
}

func (t *topology) close() {
	if t.ended != nil {
		t.ended()
		t.watching.Wait()
	}
	for _, p := range t.sentinels {
		p.stop()
	}
	for _, s := range t.servers {
		s.stop()
		_ = s.proxy.listener.Close()
		_ = s.client.Close()
	}
}
