package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// shift is a clock that a run can move: a file of eight bytes, the seconds to add. A process maps the file into its memory, so that its
// clock jumps at once. libfaketime does not suit Redis with jemalloc: jemalloc asks for the time while it starts, libfaketime allocates
// memory to answer, and the two wait for each other. Only the wall clock is shifted: monotonic clocks do not jump in real life either.
type shift struct {
	path string
	by   time.Duration
}

// newShift makes the file in dir.
func newShift(dir, name string) (*shift, error) {
	s := &shift{path: filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".clock")}
	return s, s.set(0)
}

// set moves the clock away from the true time by whole seconds.
func (s *shift) set(by time.Duration) error {
	s.by = by.Truncate(time.Second)
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(s.by.Seconds()))), 0)
	return err
}

// preloaded is the C source of a library that shifts the clock of a program with libc, as redis-server.
const preloaded = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t none, *seconds = &none;
__attribute__((constructor)) static void start(void) {
	const char *path = getenv("CHAOS_CLOCK");
	int fd = path ? open(path, O_RDONLY) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED) seconds = at;
	if (fd >= 0) close(fd);
}
int clock_gettime(clockid_t id, struct timespec *t) {
	int r = syscall(SYS_clock_gettime, id, t);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += *seconds;
	return r;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
	struct timespec now;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t) *t = now.tv_sec;
	return now.tv_sec;
}
`

// preload compiles the library that shifts clocks into dir, and returns its path; "" without a C compiler.
func preload(dir string) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", nil //nolint:nilerr // Redis's clock does not jump, and the run prints that
	}
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	if err := os.WriteFile(source, []byte(preloaded), 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return library, nil
}

// timeNow changes time.Now in an overlay of the standard library: a Go program does not ask libc for the time.
var timeNow = []change{{
	"time/time.go", "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", `// chaosSeconds is what Now adds.
var chaosSeconds = func() *int64 {
	path, _ := syscall.Getenv("CHAOS_CLOCK")
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return new(int64)
	}
	at, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	syscall.Close(fd)
	if err != nil {
		return new(int64)
	}
	return (*int64)(unsafe.Pointer(&at[0]))
}()

func Now() Time {
	sec, nsec, mono := runtimeNow()
	sec += *chaosSeconds
`,
}, {"time/time.go", "\t_ \"unsafe\" // for go:linkname\n", "\t\"syscall\"\n\t\"unsafe\"\n"}}
