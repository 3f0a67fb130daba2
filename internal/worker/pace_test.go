package worker

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
)

// pairLimit is a provider that takes one message to a person per pace, after a burst.
type pairLimit struct {
	pace  time.Duration
	full  time.Time // when the burst is there again
	burst int
}

func (l *pairLimit) takes(now time.Time) bool {
	full := later(l.full, now)
	if full.Sub(now) > time.Duration(l.burst-1)*l.pace {
		return false
	}
	l.full = full.Add(l.pace)
	return true
}

// TestPacer sends to one person through a provider with a limit per person, as the loop does: each message when it is due, a little late, and with
// others at the same moment. All go out, nearly at the provider's pace, with hardly more calls than messages; and another person's do not wait.
func TestPacer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const pace = 6 * time.Second
		limit := &pairLimit{pace: pace, burst: rapid.IntRange(1, 5).Draw(t, "burst")}
		n := rapid.IntRange(1, 60).Draw(t, "messages")
		type waiting struct {
			due    time.Time
			waited bool
			number int
		}
		var line []waiting
		for i := range n {
			line = append(line, waiting{due: started.Add(time.Duration(rapid.IntRange(0, 120_000).Draw(t, "at")) * time.Millisecond), number: i})
		}
		var p pacer
		calls, last := 0, started
		for len(line) > 0 {
			i := 0
			for k := range line {
				if line[k].due.Before(line[i].due) {
					i = k
				}
			}
			one := line[i]
			line = slices.Delete(line, i, i+1)
			// The queue hands it out a little after it is due.
			now := one.due.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "late")) * time.Millisecond)
			now = later(now, last)
			last = now
			if turn := p.turn(0, "+12025550144", false, now); !turn.IsZero() {
				t.Fatal("another person's message waits")
			}
			if turn := p.turn(1, "+12025550143", false, now); !turn.IsZero() {
				t.Fatal("another provider's message waits")
			}
			turn := p.turn(0, "+12025550143", one.waited, now)
			if turn.IsZero() {
				if calls++; limit.takes(now) {
					continue
				}
				turn = p.refused(0, "+12025550143", pace, now)
			}
			if !turn.After(now) {
				t.Fatalf("it waits until %s, which is over at %s", turn, now)
			}
			line = append(line, waiting{due: turn, waited: true, number: one.number})
		}
		// A refusal for the first that is over the limit, and for one that comes early after a late one; never one per message and pause.
		if most := 2*n + 3; calls > most {
			t.Errorf("%d calls for %d messages", calls, n)
		}
		if took, most := last.Sub(started), 2*time.Minute+time.Duration(2*n+10)*pace; took > most {
			t.Errorf("%d messages took %s, want %s at most", n, took, most)
		}
	})
}

// TestPacerForgets: a person whose pause is over is like another, and the memory has an end.
func TestPacerForgets(t *testing.T) {
	t.Parallel()
	var p pacer
	p.refused(0, "+12025550143", 6*time.Second, started)
	if turn := p.turn(0, "+12025550143", false, started.Add(time.Second)); turn.IsZero() {
		t.Error("it does not wait")
	}
	if turn := p.turn(0, "+12025550143", false, started.Add(time.Minute)); !turn.IsZero() || len(p.paces) != 0 {
		t.Errorf("it waits until %s after the pause, %d are remembered", turn, len(p.paces))
	}
	fill := func(n int) {
		for i := range n {
			p.refused(0, message.Address("+1"+strconv.Itoa(2_000_000_000+i)), time.Minute, started)
			if n := len(p.paces); n > maxPaced {
				t.Fatalf("%d are remembered", n)
			}
		}
	}
	fill(3*maxPaced + 1)
	if n := len(p.paces); n == 0 {
		t.Error("nobody is remembered")
	}
	p.paces = nil
	fill(maxPaced)
	p.refused(0, "+12025550143", time.Second, started.Add(time.Hour))
	if n := len(p.paces); n != 1 {
		t.Errorf("%d are remembered of those whose pause is over", n)
	}
}
