// Package redistest runs real Redis servers for tests, each private to its test.
package redistest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Binary returns the path of redis-server: $REDIS_SERVER, or what PATH has.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("REDIS_SERVER"); path != "" {
		return path
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: run `make test`, which installs it, or set REDIS_SERVER to its path")
	}
	return path
}

// Server is a redis-server process.
type Server struct {
	t    testing.TB
	port int
	args []string
	cmd  *exec.Cmd
	// Options for clients of it, where they need more than the address.
	Options *redis.Options
}

// Start runs a standalone server on a free loopback port until the test ends. args are redis-server's own, as "--appendonly", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartAs(t, "", "", args...)
}

// StartAs is Start for a server with users (--aclfile): its clients sign in as one of them.
func StartAs(t testing.TB, username, password string, args ...string) *Server {
	t.Helper()
	return startOn(t, FreePort, username, password, args...)
}

// startOn starts a server on one of the ports that free returns. Another test may take a port after it was found free.
func startOn(t testing.TB, free func(testing.TB) int, username, password string, args ...string) *Server {
	t.Helper()
	for range 10 {
		port := free(t)
		s := &Server{t: t, port: port, Options: &redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(port), Username: username, Password: password}}
		s.args = append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--loglevel", "warning",
		}, args...)
		if s.run() {
			t.Cleanup(s.Kill)
			return s
		}
		s.Kill()
	}
	t.Fatal("other programs take every port")
	return nil
}

// run starts the server, and waits until it answers; false says that another server answers at its port. Tests with one server would see what the
// others do to it.
func (s *Server) run() (ours bool) {
	s.t.Helper()
	s.cmd = exec.Command(Binary(s.t), s.args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("redis-server: %v", err)
	}
	client := redis.NewClient(s.Options)
	defer func() { _ = client.Close() }()
	Eventually(s.t, "redis-server answers", func() bool {
		info, err := client.Info(context.Background(), "server").Result()
		ours = strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.PID()))
		return err == nil
	})
	return ours
}

// StartTLS runs a server that speaks only TLS, with a certificate of an authority of its own; caFile has that authority's certificate.
func StartTLS(t testing.TB) (s *Server, caFile string) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = dir + "/ca.crt"
	for name, block := range map[string]*pem.Block{caFile: {Type: "CERTIFICATE", Bytes: der}, dir + "/key": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(certificate)
	port := FreePort(t)
	s = &Server{t: t, port: port, Options: &redis.Options{
		Addr: "127.0.0.1:" + strconv.Itoa(port), TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	s.args = []string{
		"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-cert-file", caFile, "--tls-key-file", dir + "/key", "--tls-ca-cert-file", caFile,
		"--tls-auth-clients", "no", "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--loglevel", "warning",
	}
	s.Restart()
	t.Cleanup(s.Kill)
	return s, caFile
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.Options.Addr }

// PID is the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Port is the port of Addr.
func (s *Server) Port() int { return s.port }

// Restart starts the server, again on the same port and data, and waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	if !s.run() {
		s.t.Fatalf("another server has taken port %d", s.port)
	}
}

// Kill ends the server as a crash would, and waits for it to be gone.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Client returns a client that is closed with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(s.Options)
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// StartCluster runs three masters that share the slots, and returns their addresses.
func StartCluster(t testing.TB) []string {
	t.Helper()
	ctx := context.Background()
	ranges := [3][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}}
	var addrs []string
	var clients []*redis.Client
	for i := range ranges {
		s := startOn(t, clusterPort, "", "", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		client := s.Client()
		if err := client.ClusterAddSlots(ctx, slots(ranges[i][0], ranges[i][1])...).Err(); err != nil {
			t.Fatalf("assign slots: %v", err)
		}
		if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatalf("set epoch: %v", err)
		}
		clients = append(clients, client)
		addrs = append(addrs, s.Addr())
		if i > 0 {
			host, port, _ := net.SplitHostPort(addrs[0])
			if err := client.Do(ctx, "CLUSTER", "MEET", host, port).Err(); err != nil {
				t.Fatalf("meet: %v", err)
			}
		}
	}
	for _, client := range clients {
		Eventually(t, "the cluster is whole", func() bool {
			info, err := client.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_known_nodes:3") && strings.Contains(info, "cluster_state:ok")
		})
	}
	return addrs
}

// clusterPort returns a free port whose bus port, 10,000 above it, is free too: Redis 6.2 knows no other.
func clusterPort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := FreePort(t)
		if port >= 22_000 {
			continue // the system may hand out the bus port
		}
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(port+10_000)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no pair of ports is free")
	return 0
}

// slots lists the slots from first to last: Redis 6.2 has no CLUSTER ADDSLOTSRANGE.
func slots(first, last int) []int {
	var all []int
	for slot := first; slot <= last; slot++ {
		all = append(all, slot)
	}
	return all
}

// StartSentinel runs a master and a sentinel that watches it under the name "ringup", and returns the sentinel's address.
func StartSentinel(t testing.TB) string {
	t.Helper()
	master := Start(t)
	port := FreePort(t)
	config := t.TempDir() + "/sentinel.conf"
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor ringup 127.0.0.1 %d 1\n", port, master.port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Binary(t), config, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatalf("sentinel: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr := "127.0.0.1:" + strconv.Itoa(port)
	client := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = client.Close() }()
	Eventually(t, "the sentinel knows the master", func() bool {
		_, err := client.GetMasterAddrByName(context.Background(), "ringup").Result()
		return err == nil
	})
	return addr
}

// FreePort returns a port that nobody listens on, below those that the system hands out to connections, which could take it before the
// caller does.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + mathrand.IntN(20_000)
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Eventually asks until the condition holds, and fails the test if it does not within half a minute.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited 30 s in vain: %s", what)
		}
	}
}
