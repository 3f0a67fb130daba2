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
	if err := run(t.Context(), options{seed: 7, during: 20 * time.Second, rate: 30, topology: standalone, fsync: fsyncAlways}, &out); err != nil {
		t.Errorf("%s%v", out.String(), err)
	}
}

// TestBrokenBuildsBuild: what `make chaos-broken` breaks is still there to be broken.
func TestBrokenBuildsBuild(t *testing.T) {
	t.Parallel()
	for _, name := range names() {
		if err := build(t.TempDir(), options{broken: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
