package ingest

import (
	"math"
	"reflect"
	"time"

	"ringup.dev/ringup/internal/event"
)

// The limits of the public server, all of them here. A POS sends one small request; anything beyond is a fault or an attack.
const (
	// readHeaderTimeout: a client that dribbles its headers (slowloris) is cut off.
	readHeaderTimeout = 5 * time.Second
	// readTimeout covers headers and body: 1 MiB in 30 s is 35 KB/s, which the slowest shop's line manages.
	readTimeout = 30 * time.Second
	// A body has bodyGrace to begin, and comes at minBodyRate (bytes per second) or faster on average. A client that announces much and sends
	// little is cut off long before readTimeout.
	bodyGrace   = 10 * time.Second
	minBodyRate = 32 << 10
	// writeTimeout runs from the end of the headers, so it covers reading the body, the enqueue and the answer.
	writeTimeout = 45 * time.Second
	// maxHeaderBytes: some ten headers; a token and two signatures fit many times. net/http adds 4 KiB of its own.
	maxHeaderBytes = 8 << 10
	// enqueueTimeout: a POS waits some ten seconds; better that it is answered 503 and repeats.
	enqueueTimeout = 5 * time.Second
	// A body that is refused is read and thrown away, up to lingerBytes and lingerTime, so that a client that writes first and reads then sees the
	// answer and not a reset connection (nginx's lingering_close). Nothing of it is kept.
	lingerBytes = 8 << 20
	lingerTime  = 5 * time.Second
	// receiveBuffer is SO_RCVBUF, in bytes: what the kernel keeps, on this program's account, of a client that sends faster than it is read.
	receiveBuffer = 32 << 10
	// A client may be refused for its key refusalRate times per second, refusalBurst at once. Beyond, each refusal takes refusalDelay, ends the
	// connection, and is not logged. A client with a good key behind the same address is not affected.
	refusalRate  = 1
	refusalBurst = 20
	refusalDelay = time.Second
)

// The worst cases that the limits are derived from, in bytes of memory. docs/operations/sizing.md has them as a table; the tests of
// test/system attack the program inside a limit that they add up to.
const (
	// baseMemory is the program itself: code, templates of numbers, Redis connections, metrics.
	baseMemory = 32 << 20
	// connectionMemory is an idle connection: two goroutines' stacks, two buffers of 4 KiB, and the kernel's socket. How long connections may be idle
	// (IDLE_TIMEOUT) adds nothing: each of them counts in MAX_CONNECTIONS.
	connectionMemory = 24 << 10
	// bodyFactor is how much memory one byte of a body takes at most: the body as it is read, its decoded form, the encoded event, and Redis's
	// command.
	bodyFactor = 5
	// headFactor is how much memory one byte of a head takes at most: the shortest header is five bytes, and costs an entry of a map and a slice.
	headFactor = 25
	// headCost is what a byte of a head counts for beside a byte of a body.
	headCost = headFactor / bodyFactor
	// minInflightCost is what a request counts for at least (MAX_INFLIGHT_BYTES): its goroutine, its span and its answer are 20 KiB of memory.
	minInflightCost = 4 << 10
	// defaultMemory is assumed where neither GOMEMLIMIT nor a cgroup limits the memory.
	defaultMemory = 512 << 20
	// Of the memory that is left beside the program, a quarter is for connections and half for requests. The rest is for garbage.
	connectionsPart, requestsPart = 4, 2
	// minConnections serve a shop, however little memory there is.
	minConnections = 64
)

// Limits are how much the public server takes at a time.
type Limits struct {
	Memory      int64 // what they are derived from, in bytes
	Inflight    int64 // MAX_INFLIGHT_BYTES
	Connections int64 // MAX_CONNECTIONS
}

// Limits returns the limits for a program that may use memory bytes, math.MaxInt64 where it is not limited. Settings win over what is derived.
func (c *Config) Limits(memory int64) Limits {
	if memory == math.MaxInt64 {
		memory = defaultMemory
	}
	free := max(0, memory-baseMemory)
	l := Limits{Memory: memory, Inflight: c.MaxInflightBytes, Connections: c.MaxConnections}
	if l.Connections == 0 {
		l.Connections = max(minConnections, free/connectionsPart/connectionMemory)
	}
	if l.Inflight == 0 {
		l.Inflight = max(c.minInflight(), free/requestsPart/bodyFactor)
	}
	return l
}

// Worst returns how much memory the limits add up to, in bytes, when each is reached.
func (l Limits) Worst() int64 {
	return baseMemory + l.Connections*connectionMemory + l.Inflight*bodyFactor
}

var itemMemory, optionMemory = int64(reflect.TypeFor[event.Item]().Size()), int64(reflect.TypeFor[string]().Size())

// memoryOf returns what an event's lists take in memory beside their texts, in bytes: an item of two bytes of JSON, as {}, takes fifty times as much.
func memoryOf(e *event.Event) int64 {
	n := int64(cap(e.Items)) * itemMemory
	for i := range e.Items {
		n += int64(cap(e.Items[i].Options)) * optionMemory
	}
	return n
}
