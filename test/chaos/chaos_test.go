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

// TestBrokenBuildsBuild: what `make chaos-broken` breaks is still there to be broken.
func TestBrokenBuildsBuild(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		if err := compile(t.TempDir(), options{broken: name}, "./internal/worker", "./internal/redisstore"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShiftedTimeBuilds: the standard library's time.Now can still be changed as the clocks of the programs need it.
func TestShiftedTimeBuilds(t *testing.T) {
	t.Parallel()
	if err := compile(t.TempDir(), options{clocks: true}, "time"); err != nil {
		t.Error(err)
	}
}
