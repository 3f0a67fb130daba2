package pricing

import (
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
)

// Budget is what the caps leave of a day for one channel, as one worker knows it. What other workers spent is known some seconds late
// (Refresh), so that all of them together may go over a cap by what they send in that time. It is safe for concurrent use; the nil one has
// no caps.
//
// A message's cost goes through it once: Reserve before the send, then either Release, when the message did not go out, or Settle, once the
// cost is stored in Redis.
type Budget struct {
	channel message.Channel
	caps    *Caps
	sources *Sources

	mu       sync.Mutex
	day      string // of what is spent and reserved
	spent    ledger // by all workers, as of the last Refresh, and what this one settled since
	reserved ledger // for the messages that this worker is sending
}

// ledger adds up a day's costs.
type ledger struct {
	total    Micros
	bySource map[string]Micros // by the source's label
}

func (l *ledger) add(label string, cost Micros) {
	l.total = max(0, l.total+cost)
	l.bySource[label] = max(0, l.bySource[label]+cost)
}

func (l *ledger) clear() {
	l.total = 0
	clear(l.bySource)
}

// NewBudget returns the budget of a channel's worker; nil when no cap limits the channel. The labels are those by which costs are recorded.
func NewBudget(channel message.Channel, caps *Caps, sources *Sources) *Budget {
	if !caps.Limits(channel) {
		return nil
	}
	return &Budget{channel: channel, caps: caps, sources: sources,
		spent: ledger{bySource: map[string]Micros{}}, reserved: ledger{bySource: map[string]Micros{}}}
}

// Reserve sets a message's cost aside. When that would go over a cap it sets nothing aside, and returns the cap and true. A message that
// costs nothing always fits.
func (b *Budget) Reserve(source string, cost Micros, now time.Time) (Cap, bool) {
	if b == nil || cost == 0 {
		return Cap{}, false
	}
	label := b.sources.Label(source)
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := Day(now); day != b.day {
		b.day = day
		b.spent.clear()
		b.reserved.clear()
	}
	sum := Spent{Channel: b.spent.total + b.reserved.total, Source: b.spent.bySource[label] + b.reserved.bySource[label]}
	if reached, over := b.caps.Reached(b.channel, source, sum, cost); over {
		return reached, true
	}
	b.reserved.add(label, cost)
	return Cap{}, false
}

// Release frees what Reserve set aside for a message that did not go out.
func (b *Budget) Release(source string, cost Micros) {
	if b == nil || cost == 0 {
		return
	}
	label := b.sources.Label(source)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved.add(label, -cost)
}

// Settle moves a cost, whose source has this label, from what is reserved to what is spent.
func (b *Budget) Settle(label string, cost Micros) {
	if b == nil || cost == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent.add(label, cost)
	b.reserved.add(label, -cost)
}

// Refresh takes what all workers have spent on now's day: in all, and by the sources' labels. What is reserved stays. Where a message of a later
// day has been reserved meanwhile, nothing is taken.
func (b *Budget) Refresh(total Micros, bySource map[string]Micros, now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	day := Day(now)
	if day < b.day {
		return
	}
	b.day = day
	b.spent.clear()
	b.spent.total = total
	for label, spent := range bySource {
		b.spent.bySource[label] = spent
	}
}

// Reached lists the caps under which nothing more fits: the channel's alone, when it is one of them.
func (b *Budget) Reached() []Cap {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole, over := b.caps.Reached(b.channel, "", Spent{Channel: b.spent.total}, 1); over {
		return []Cap{whole}
	}
	var out []Cap
	for source, spent := range b.spent.bySource {
		if one, over := b.caps.Reached(b.channel, source, Spent{Source: spent}, 1); over {
			out = append(out, one)
		}
	}
	return out
}
