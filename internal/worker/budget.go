package worker

import (
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// budget keeps what a channel spends within its daily caps. Other workers' spending is known from the queue, some seconds late, so all of
// them together may go over a cap by what they send in that time.
type budget struct {
	caps    *pricing.Caps
	sources *pricing.Sources

	mu       sync.Mutex
	day      string                    // of what is spent
	spent    map[string]pricing.Micros // by the fields of queue.Cost: of all workers, when last heard of
	reserved map[string]pricing.Micros // for what this worker is sending
}

func newBudget(caps *pricing.Caps, sources *pricing.Sources) *budget {
	return &budget{caps: caps, sources: sources, spent: map[string]pricing.Micros{}, reserved: map[string]pricing.Micros{}}
}

// take sets a message's cost aside, unless that would go over a cap.
func (b *budget) take(channel message.Channel, source string, cost pricing.Micros, now time.Time) (pricing.Cap, bool) {
	if cost == 0 || !b.caps.Limits(channel) {
		return pricing.Cap{}, false
	}
	field := queue.CostSource + b.sources.Label(source)
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := pricing.Day(now); day != b.day {
		b.day = day
		clear(b.spent)
		clear(b.reserved)
	}
	sum := func(field string) pricing.Micros { return b.spent[field] + b.reserved[field] }
	if reached, over := b.caps.Reached(channel, source, pricing.Spent{Channel: sum(queue.CostTotal), Source: sum(field)}, cost); over {
		return reached, true
	}
	b.reserved[queue.CostTotal] += cost
	b.reserved[field] += cost
	return pricing.Cap{}, false
}

// giveBack frees what was set aside for a message that did not go out.
func (b *budget) giveBack(channel message.Channel, source string, cost pricing.Micros) {
	if cost == 0 || !b.caps.Limits(channel) {
		return
	}
	field := queue.CostSource + b.sources.Label(source)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved[queue.CostTotal] = max(0, b.reserved[queue.CostTotal]-cost)
	b.reserved[field] = max(0, b.reserved[field]-cost)
}

// settled moves what a message cost from what is set aside to what is spent.
func (b *budget) settled(spent []queue.Cost) {
	if len(spent) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range spent {
		b.spent[s.Field] += pricing.Micros(s.Micros)
		b.reserved[s.Field] = max(0, b.reserved[s.Field]-pricing.Micros(s.Micros))
	}
}

// learn takes what all workers have settled today, this one's share included.
func (b *budget) learn(spent map[string]int64, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.day = pricing.Day(now)
	clear(b.spent)
	for field, micros := range spent {
		b.spent[field] = pricing.Micros(micros)
	}
}

// reached lists the caps that nothing more fits under.
func (b *budget) reached(channel message.Channel) []pricing.Cap {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []pricing.Cap
	for field := range b.spent {
		source, of := strings.CutPrefix(field, queue.CostSource)
		if !of && field != queue.CostTotal {
			continue
		}
		if !of {
			source = ""
		}
		spent := pricing.Spent{Channel: b.spent[queue.CostTotal], Source: b.spent[field]}
		if one, over := b.caps.Reached(channel, source, spent, 1); over && (of == (one.Source != "")) {
			out = append(out, one)
		}
	}
	return out
}
