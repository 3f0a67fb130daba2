// Package app is what the programs have in common. Each of them is put together in a package below.
package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Main runs a program. Its context ends with SIGTERM or SIGINT. An error is printed, and the exit code is 1.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Invalid says that an error is the configuration's, with each problem on a line of its own; nil stays nil.
func Invalid(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the configuration cannot work:\n%w", err)
}

// collectAt is GOGC where it is not set: the live heaps of ingest and the workers are a few MiB, and at Go's own 100 they would spend a
// sixth of their time collecting garbage. GOMEMLIMIT, which the manifests set, still bounds the memory.
const collectAt = 400

// RelaxGC lets garbage grow to several times the live heap before it is collected, unless GOGC says otherwise.
func RelaxGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// goShare is how much of a container's memory the Go runtime may use: the rest is for the binary's pages and the kernel's buffers.
const goShare = 0.9

// BoundMemory keeps the program within the memory of its container, by GOMEMLIMIT where that is set and else by the cgroup's limit, and returns
// how much it may use, in bytes; math.MaxInt64 where nothing limits it.
func BoundMemory() int64 {
	_, _ = memlimit.Set(memlimit.WithRatio(goShare), memlimit.WithProvider(memlimit.FromCgroup)) // without a cgroup there is no limit
	limit := debug.SetMemoryLimit(-1)
	if cgroup, err := memlimit.FromCgroup(); err == nil && cgroup > 0 && cgroup < math.MaxInt64 {
		limit = min(limit, int64(goShare*float64(cgroup)))
	}
	return limit
}

// ProcessID names this process among all replicas: host/pid.
func ProcessID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// Listen binds a TCP address, host:port. The error names the variable that sets the port.
func Listen(variable, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address) //nolint:noctx // bound once, at start
	if err != nil {
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("%s %s cannot be bound: %w", variable, port, err)
	}
	return listener, nil
}

// Serve answers requests until the server is shut down or closed, and returns nil then.
func Serve(server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// RunUntil runs functions side by side until ctx ends or the first of them returns, whose error it returns. It does not stop the others.
func RunUntil(ctx context.Context, functions ...func() error) error {
	ended := make(chan error, len(functions))
	for _, f := range functions {
		go func() { ended <- f() }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}
