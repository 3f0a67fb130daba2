package ingest

import (
	"math"
	"net/netip"
	"sync"
)

// A client may hold a multiple of what is free: its share falls as others come, and something is always free for one that holds nothing
// (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). One client alone gets three quarters of the
// whole, two get three sevenths each. So a single ingress can work, and a single attacker leaves room for others; nothing has to be set. Against
// attackers with many addresses, a quarter is kept for clients that hold little, as tills do.
const (
	// keptPart is the part of the whole that is kept for clients that hold little: littleConnections, littleBytes.
	keptPart          = 4
	littleConnections = 4
	littleBytes       = 4 * minInflightCost
	// connectionShare and headShare are the multiples for connections and for heads that are read.
	connectionShare, headShare = 3, 3
	// bodyShare is lower, so that under load a request is answered 503 by its endpoint, which counts it, and not while its head is read.
	bodyShare = 2
	// proxyShare is for what a trusted proxy holds for its clients: all that is free.
	proxyShare = math.MaxInt32
	// minShared is the least that can be shared.
	minShared = 4
)

// budget is an amount that clients share: bytes, or connections. It is safe for concurrent use.
type budget struct {
	total  int64
	little int64 // a client that holds more has no part in the kept quarter
	mu     sync.Mutex
	used   int64
	held   map[netip.Addr]int64 // by clients that hold something, so it is never larger than what they hold
}

func newBudget(total, little int64) *budget {
	return &budget{total: total, little: little, held: map[netip.Addr]int64{}}
}

// take adds n to what a client holds, if that stays within its share.
func (b *budget) take(client netip.Addr, n, share int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(b.held[client]+n, b.total-b.used-n, share) {
		return false
	}
	b.add(client, n)
	return true
}

// fits reports whether a client may hold n while so much is free beside.
func (b *budget) fits(n, free, share int64) bool {
	if free < 0 || n/share > free {
		return false
	}
	return n <= b.little || share == proxyShare || free >= b.total/keptPart
}

// within reports whether what a client holds is within a share.
func (b *budget) within(client netip.Addr, share int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fits(b.held[client], b.total-b.used, share)
}

// give returns n that a client holds.
func (b *budget) give(client netip.Addr, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(client, -n)
}

// move makes n that one client holds another's.
func (b *budget) move(from, to netip.Addr, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(from, -n)
	b.add(to, n)
}

func (b *budget) add(client netip.Addr, n int64) {
	b.used += n
	if b.held[client] += n; b.held[client] == 0 {
		delete(b.held, client)
	}
}

// inUse returns how much all clients hold.
func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
