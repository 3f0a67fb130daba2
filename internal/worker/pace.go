package worker

import (
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
)

// maxPaced bounds the recipients that a worker remembers; beyond, the provider says the same again.
const maxPaced = 10_000

// pacer remembers the recipients to whom a provider takes no more messages for now (WhatsApp's 131056). Their messages take turns, so that each
// waits without a call to the provider, and none comes before those that are due: without it, a number with n messages leads to n calls per pause.
// It is this worker's own: another one learns it by one call.
type pacer struct {
	mu    sync.Mutex
	paces map[paced]pace
}

type paced struct {
	provider int
	person   message.Address // by its key
}

// pace is that of one recipient: from free on a message may be tried, and then one per pause. last is the last turn that was given to a message.
type pace struct {
	free, last time.Time
	pause      time.Duration
}

// turn returns when a message is to be tried: the zero time for now. waited says that it was scheduled before, and so may be the one whose turn
// it is; another one queues behind those that wait.
func (p *pacer) turn(provider int, to message.Address, waited bool, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := paced{provider, to.Key()}
	one, found := p.paces[key]
	switch {
	case !found:
		return time.Time{}
	case now.Before(one.free), !waited && now.Before(one.last):
		one.last = later(one.last.Add(one.pause), one.free)
		p.paces[key] = one
		return one.last
	case now.After(one.last.Add(one.pause)) && now.After(one.free.Add(one.pause)):
		delete(p.paces, key) // nobody waits, and the last message is long enough ago
		return time.Time{}
	}
	// The turns stay where they are, also when the one before was a little late.
	one.free = later(one.free, now.Add(-one.pause)).Add(one.pause)
	p.paces[key] = one
	return time.Time{}
}

// refused notes that a provider takes no message to a recipient for a pause, and returns the turn of the message that it refused. When that happens to
// one whose turn it was, the pause was too short: it is doubled, up to a minute.
func (p *pacer) refused(provider int, to message.Address, pause time.Duration, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := paced{provider, to.Key()}
	one, found := p.paces[key]
	switch {
	case found && now.Before(one.free):
		// It was on its way when another was refused, or was taken.
		one.last = later(one.last.Add(one.pause), one.free)
		p.paces[key] = one
		return one.last
	case !found:
		p.forget(now)
		if p.paces == nil {
			p.paces = map[paced]pace{}
		}
	}
	one.pause = max(pause, time.Second, min(2*one.pause, time.Minute))
	one.free = now.Add(one.pause)
	one.last = later(one.last, one.free)
	p.paces[key] = one
	return one.free
}

// forget makes room once there is none: of the recipients whose pause is over, and of all where that is not enough.
func (p *pacer) forget(now time.Time) {
	if len(p.paces) < maxPaced {
		return
	}
	for key, one := range p.paces {
		if now.After(one.last.Add(one.pause)) && now.After(one.free.Add(one.pause)) {
			delete(p.paces, key)
		}
	}
	if len(p.paces) >= maxPaced {
		clear(p.paces)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
