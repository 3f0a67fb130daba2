package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profile measures one contender, and writes the CPU profiles of its programs into a folder, for `go tool pprof`. It measures the floor
// too, which tells how fast the machine is at the moment.
func profile(out io.Writer, dir string, c, floor contender, into string) error {
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	yardstick, err := measure(dir, floor, setting{}, false)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s: %.1f µs per webhook\n", floor.name, yardstick.total())
	for _, whole := range []bool{false, true} {
		x, err := measure(dir, c, setting{}, whole)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s, to the end: %v: ingest %.1f + Redis %.1f + workers %.1f = %.1f µs per webhook, %.0f per second\n", c.name, whole,
			x.ingest, x.redis, x.worker, x.total(), x.perSecond)
	}
	return nil
}

// profiling fetches a CPU profile of every running program. The channel delivers one error, or nil, once all profiles are written.
func (b *bench) profiling(into string) <-chan error {
	done := make(chan error, 1)
	problems := make(chan error)
	for program, port := range b.ops {
		go func() { problems <- fetch(port, filepath.Join(into, program+".pprof")) }()
	}
	go func() {
		var errs []error
		for range b.ops {
			errs = append(errs, <-problems)
		}
		done <- errors.Join(errs...)
	}()
	return done
}

func fetch(port int, path string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=4", port), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: HTTP %d", resp.StatusCode)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, resp.Body)
	return errors.Join(err, file.Close())
}
