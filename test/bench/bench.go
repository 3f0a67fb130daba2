package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// setting are the circumstances of a measurement. The zero value is that of the table.
type setting struct {
	shards     int                     // masters of a Redis Cluster; 0 is a single Redis
	replicas   int                     // workers per channel; 0 is 1
	recipients int                     // per webhook and channel; 0 is 1, the customer
	size       int                     // of a payload, in bytes; 0 is the usual one
	webhooks   int                     // per measurement; 0 is -n, after -warm
	always     bool                    // appendfsync always; otherwise everysec, as in the production overlay
	overHTTP   bool                    // messages go to a local HTTP server instead of the providers; otherwise to the sandbox
	made       func() (webhook, error) // makes each webhook, before any is posted; nil for payloads of /webhooks/pos
}

// bench is a Redis and the programs that run on it.
type bench struct {
	setting
	dir       string
	redisAddr string // of the only one, or of the first shard
	nodes     []*process
	client    redis.UniversalClient
	url       string
	ingest    *process
	workers   []*process
	ops       map[string]int // the operators' ports, by program
	bus       string         // the first shard's port for the others
	provider  *httptest.Server
	raw       string // the job that seed copies
}

// operators gives a program an operators' port.
func (b *bench) operators(program string) string {
	b.ops[program] = freePort()
	return fmt.Sprintf("OPS_PORT=%d", b.ops[program])
}

func newBench(dir string, s setting) (*bench, error) {
	b := &bench{setting: s, ops: map[string]int{}}
	var err error
	if b.dir, err = os.MkdirTemp(dir, "redis"); err != nil {
		return nil, err
	}
	if s.overHTTP {
		b.provider = newProvider()
	}
	if s.shards == 0 {
		if b.redisAddr, err = b.startRedis(); err != nil {
			return nil, err
		}
		b.client = redis.NewClient(&redis.Options{Addr: b.redisAddr})
		return b, until(10*time.Second, func() bool { return b.client.Ping(context.Background()).Err() == nil })
	}
	return b, b.startCluster()
}

// startRedis starts a Redis and returns its address. It does not wait until Redis answers.
func (b *bench) startRedis(args ...string) (string, error) {
	port := strconv.Itoa(freePort())
	dir, err := os.MkdirTemp(b.dir, "node")
	if err != nil {
		return "", err
	}
	fsync := map[bool]string{true: "always", false: "everysec"}[b.always]
	cmd := exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", fsync, "--maxmemory-policy", "noeviction", "--loglevel", "warning", "--auto-aof-rewrite-percentage", "0"}, args...)...)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.nodes = append(b.nodes, &process{"Redis", cmd})
	return "127.0.0.1:" + port, nil
}

// startCluster starts the shards of a Redis Cluster without replicas.
func (b *bench) startCluster() error {
	ctx := context.Background()
	var addrs []string
	const slots = 16384
	for i := range b.shards {
		bus := strconv.Itoa(freePort())
		addr, err := b.startRedis("--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000")
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
		node := redis.NewClient(&redis.Options{Addr: addr})
		err = until(10*time.Second, func() bool { return node.Ping(ctx).Err() == nil })
		first, firstPort, _ := net.SplitHostPort(addrs[0])
		if i == 0 {
			b.redisAddr, firstPort = addr, ""
		}
		err = errors.Join(err, node.ClusterAddSlotsRange(ctx, i*slots/b.shards, (i+1)*slots/b.shards-1).Err(), node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if firstPort != "" {
			err = errors.Join(err, node.Do(ctx, "CLUSTER", "MEET", first, firstPort, b.bus).Err())
		} else {
			b.bus = bus
		}
		if err = errors.Join(err, node.Close()); err != nil {
			return err
		}
	}
	b.client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	return until(20*time.Second, func() bool {
		info, err := b.client.ClusterInfo(ctx).Result()
		return err == nil && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", b.shards)) && strings.Contains(info, "cluster_state:ok")
	})
}

// newProvider answers as Twilio, SendGrid and WhatsApp do when they accept a message.
func newProvider() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Message-Id", "0123456789")
		switch {
		case strings.HasSuffix(r.URL.Path, "/Messages.json"):
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"sid":"SM00000000000000000000000000000000","status":"queued"}`)
		case strings.HasSuffix(r.URL.Path, "/messages"):
			_, _ = io.WriteString(w, `{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.0"}]}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
}

func (b *bench) close() {
	for _, p := range append(append(b.workers, b.ingest), b.nodes...) {
		if p != nil {
			p.stop()
		}
	}
	if b.provider != nil {
		b.provider.Close()
	}
	_ = b.client.Close()
	_ = os.RemoveAll(b.dir)
}

// redisCPU is what all the nodes have spent.
func (b *bench) redisCPU() (total time.Duration) {
	for _, node := range b.nodes {
		total += node.cpu()
	}
	return total
}

// load posts n webhooks: those of the setting, or payloads of its size.
func (b *bench) load(prefix string, n int) (time.Duration, error) {
	if b.made == nil {
		return load(b.url, n, func(i int) webhook { return signed(payload(prefix, b.size, i)) })
	}
	made := make([]webhook, n)
	for i := range made {
		var err error
		if made[i], err = b.made(); err != nil {
			return 0, err
		}
	}
	return load(b.url, n, func(i int) webhook { return made[i] })
}

func until(limit time.Duration, holds func() bool) error {
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			return errors.New("waited in vain")
		}
		<-time.After(2 * time.Millisecond)
	}
	return nil
}

func (b *bench) serve(c contender) error {
	port := freePort()
	b.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	var err error
	if b.ingest, err = c.serve(b, port); err != nil {
		return err
	}
	return until(10*time.Second, func() bool {
		resp, err := http.Get(b.url + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	})
}

func (b *bench) work(c contender) error {
	for _, channel := range channels {
		for range max(1, b.replicas) {
			p, err := c.work(b, channel)
			if err != nil {
				return err
			}
			b.workers = append(b.workers, p)
		}
	}
	return nil
}

// pause stops all claims of SMS jobs.
func (b *bench) pause() error {
	return b.client.HSet(context.Background(), "{ringup:sms}:halted", "paused", "bench").Err()
}

func (b *bench) resume() {
	b.client.HDel(context.Background(), "{ringup:sms}:halted", "paused")
	b.client.RPush(context.Background(), "{ringup:sms}:wake", "1")
}

// waiting returns the number of waiting SMS jobs.
func (b *bench) waiting() (n int64) {
	for _, list := range []string{"queue:1", "queue:2", "queue:3", "queue:4"} {
		n += b.client.LLen(context.Background(), "{ringup:sms}:"+list).Val()
	}
	return n
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
