package main

import (
	"bytes"
	"testing"
	"time"
)

// TestChaos is the short form of `make chaos`.
func TestChaos(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), options{seed: 7, during: 12 * time.Second, rate: 30, topology: standalone, fsync: fsyncAlways}, &out); err != nil {
		t.Errorf("%s%v", out.String(), err)
	}
}

// TestBrokenBuildsBuild: the code that `make chaos-broken` changes is still there, and builds with each mistake.
func TestBrokenBuildsBuild(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		if err := compile(t.TempDir(), options{broken: name}, "./internal/worker", "./internal/redisstore"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShiftedTimeBuilds: the standard library still builds with the shifted time.Now.
func TestShiftedTimeBuilds(t *testing.T) {
	t.Parallel()
	if err := compile(t.TempDir(), options{clocks: true}, "time"); err != nil {
		t.Error(err)
	}
}
