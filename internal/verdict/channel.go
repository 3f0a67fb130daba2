package verdict

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// recent is the time whose failures count as those of now.
	recent = 5 * time.Minute
	// startUp is how long the first worker may take to come, where KEDA has none while nothing waits.
	startUp = 2 * time.Minute
	// waitFloor is the shortest wait that is worth a word, and waitCeiling the longest that may be usual.
	waitFloor, waitCeiling = time.Minute, 15 * time.Minute
	// usually is by how much a wait exceeds the usual one before it is worth a word. The usual one is that of three minutes out of four, so that an outage of up to
	// six hours in a day does not become usual.
	usually, usualShare = 3, 75
	// looksAMinute are the looks at the waiting jobs, and sampleEvery the time between them, of one ingest.
	looksAMinute, sampleEvery = 6, 10 * time.Second
	// inARow is how many messages that failed in a row say something, however long ago the last one did.
	inARow = 3
	// minReports is how many delivery reports say something about a share.
	minReports = 20
)

// trouble is one thing that is wrong with a channel.
type trouble struct {
	level Level
	text  string
}

// channel returns the verdict on a channel: all that is wrong, the worst first, and how much waits.
func (s *State) channel(c *Channel) Line {
	if c.State == nil || c.State.Halted.Kind == queue.HaltedUnknown {
		return Line{Unknown, "Redis does not answer"}
	}
	if c.State.Halted.Kind == queue.HaltedForeign {
		return Line{Failing, "nothing is sent: keys of another program have its names: " + c.State.Halted.Why}
	}
	var found []trouble
	for _, rule := range []func(*Channel) trouble{s.paused, s.down, s.noWorker, s.failing, s.fellOff, s.retrying, s.partlyDown, s.slow, s.undelivered, s.differ} {
		if t := rule(c); t.level != Well {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		hour := c.within(s.Now, time.Hour)
		if c.Name == message.Resolve {
			return Line{Well, did(&hour, "fetched")}
		}
		return Line{Well, did(&hour, "sent")}
	}
	slices.SortStableFunc(found, func(a, b trouble) int { return cmp.Compare(b.level, a.level) })
	var texts []string
	for _, t := range found {
		texts = append(texts, t.text)
	}
	if waits := s.waits(c); waits != "" {
		texts = append(texts, waits)
	}
	return Line{found[0].level, strings.Join(texts, ", ")}
}

func waiting(c *Channel) (n int64) {
	for _, one := range c.State.Waiting {
		n += one
	}
	return n + c.State.RetryDue
}

// waits says how much waits, for how long, when it goes on and how long it will take; "" where nothing waits.
func (s *State) waits(c *Channel) string {
	n := waiting(c)
	if n == 0 {
		return ""
	}
	parts := []string{thousands(n) + " wait"}
	if n == 1 {
		parts[0] = "1 waits"
	}
	if oldest := slices.Max(c.State.Oldest[:]); oldest > 0 {
		parts = append(parts, "the oldest for "+length(oldest))
	}
	if c.State.Halted.Kind == queue.HaltedBreaker {
		if next := s.nextTry(c); !next.IsZero() {
			parts = append(parts, "next try in "+length(next.Sub(s.Now)))
		}
	}
	if rate := s.rate(c); rate > 0 && c.State.Halted.Kind != queue.HaltedPause && len(c.State.Workers) > 0 {
		parts = append(parts, "about "+length(max(time.Duration(float64(n)/rate*float64(time.Second)), time.Second))+" to catch up")
	}
	return strings.Join(parts, ", ")
}

func (s *State) nextTry(c *Channel) (next time.Time) {
	for _, b := range c.State.Breakers {
		if b.Until.After(s.Now) && (next.IsZero() || b.Until.Before(next)) {
			next = b.Until
		}
	}
	return next
}

// rate is how many messages a second go out when they can: the workers' limit, and without one the most that went out within a minute.
func (s *State) rate(c *Channel) (rate float64) {
	for _, w := range c.State.Workers {
		rate = max(rate, w.RateLimit)
	}
	if rate > 0 {
		return rate
	}
	for i := range c.Minutes {
		rate = max(rate, float64(c.Minutes[i].Sent)/60)
	}
	return rate
}

// paused: an operator keeps the channel.
func (s *State) paused(c *Channel) trouble {
	if c.State.Halted.Kind != queue.HaltedPause {
		return trouble{}
	}
	return trouble{Attention, "paused " + c.State.Halted.Why}
}

// down: no provider takes messages.
func (s *State) down(c *Channel) trouble {
	if c.State.Halted.Kind != queue.HaltedBreaker {
		return trouble{}
	}
	var texts []string
	for _, name := range providersWith(c, queue.BreakerOpen, queue.BreakerHalfOpen) {
		texts = append(texts, s.isDown(c, name))
	}
	if len(texts) == 0 {
		return trouble{Failing, "nothing is sent: " + c.State.Halted.Why}
	}
	return trouble{Failing, strings.Join(texts, ", ")}
}

// partlyDown: one provider takes none, and others do.
func (s *State) partlyDown(c *Channel) trouble {
	if c.State.Halted.Kind == queue.HaltedBreaker {
		return trouble{}
	}
	var texts []string
	for _, name := range providersWith(c, queue.BreakerOpen, queue.BreakerHalfOpen) {
		texts = append(texts, s.isDown(c, name))
	}
	for _, name := range providersWith(c, queue.BreakerThrottled) {
		texts = append(texts, provider(name)+" asks to wait for "+length(c.State.Breakers[name].Until.Sub(s.Now)))
	}
	if len(texts) == 0 {
		return trouble{}
	}
	return trouble{Attention, strings.Join(texts, ", ")}
}

// providersWith returns the providers in use whose breaker is in one of the states. One that no worker uses any more keeps the breaker that it had.
func providersWith(c *Channel, states ...string) (names []string) {
	var used []string
	for _, w := range c.State.Workers {
		used = append(used, w.Providers...)
	}
	for name, b := range c.State.Breakers {
		if slices.Contains(states, b.State) && (len(used) == 0 || slices.Contains(used, name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isDown says since when a provider has not been used, and why.
func (s *State) isDown(c *Channel, name string) string {
	text := provider(name) + " has been down"
	for _, m := range slices.Backward(c.Marks) {
		if m.Kind == queue.MarkOpened && m.What == name {
			text += " since " + clock(s.Now, m.At)
			break
		}
	}
	if why := c.State.Breakers[name].Reason; why != "" {
		text += " (" + why + ")"
	}
	return text
}

var providerNames = map[string]string{
	"twilio": "Twilio", "sns": "Amazon SNS", "ses": "Amazon SES", "sendgrid": "SendGrid", "business": "WhatsApp Cloud API", "sandbox": "the sandbox",
}

func provider(name string) string { return cmp.Or(providerNames[name], name) }

// noWorker: jobs wait, and nobody claims them.
func (s *State) noWorker(c *Channel) trouble {
	if len(c.State.Workers) > 0 || waiting(c) == 0 || s.waited(c) < startUp {
		return trouble{}
	}
	return trouble{Failing, "no worker runs"}
}

// failing: messages were given up lately.
func (s *State) failing(c *Channel) trouble {
	now := c.within(s.Now, recent)
	if now.Failed == 0 {
		return s.allFailed(c)
	}
	t := trouble{Attention, thousands(now.Failed) + " of " + thousands(now.Failed+now.Sent) + " failed in the last " + length(recent)}
	if 2*now.Failed >= now.Failed+now.Sent {
		t.level = Failing
	}
	if c.Why != "" {
		t.text += ": " + c.Why
	}
	return t
}

// allFailed: nothing was sent after messages were given up, however few there are.
func (s *State) allFailed(c *Channel) trouble {
	var failed int64
	var since time.Time
	for i := len(c.Minutes) - 1; i >= 0 && c.Minutes[i].Sent == 0; i-- {
		if m := &c.Minutes[i]; m.Failed > 0 {
			failed, since = failed+m.Failed, m.At
		}
	}
	// One or two may have had a wrong number. An operator who has seen to the failed ones has seen this.
	if failed < inARow || c.State.Failed == 0 {
		return trouble{}
	}
	t := trouble{Failing, "the last " + thousands(failed) + " failed, since " + clock(s.Now, since)}
	if c.Why != "" {
		t.text += ": " + c.Why
	}
	return t
}

// fellOff: failed messages are gone that nobody has looked at.
func (s *State) fellOff(c *Channel) trouble {
	hour := c.within(s.Now, time.Hour)
	if hour.Evicted == 0 {
		return trouble{}
	}
	text := plural(hour.Evicted, "failed message", "failed messages") + " of the last hour fell off the end of Failed and cannot be sent again: raise KEEP_FAILED"
	if s.KeepFailed > 0 {
		text += " (" + thousands(int64(s.KeepFailed)) + ")"
	}
	return trouble{Failing, text}
}

// retrying: more attempts fail than succeed, and no breaker is open.
func (s *State) retrying(c *Channel) trouble {
	now := c.within(s.Now, recent)
	if now.Retried == 0 || now.Retried <= now.Sent || c.State.Halted.Kind == queue.HaltedBreaker {
		return trouble{}
	}
	return trouble{Attention, thousands(now.Retried) + " of " + thousands(now.Retried+now.Sent) + " attempts did not succeed in the last " + length(recent) + " and are made again"}
}

// slow: jobs wait for longer than usual.
func (s *State) slow(c *Channel) trouble {
	if waiting(c) == 0 || s.waited(c) <= s.waitLimit(c) || c.State.Halted.Kind != queue.NotHalted || s.noWorker(c).level != Well {
		return trouble{}
	}
	return trouble{Attention, "messages wait for longer than usual"}
}

// waited is the longest time that a job has waited for a worker. Those that were scheduled, or are tried again, were accepted long before that: those that wait now had
// not waited yet at the last look, or for no longer than those that waited then.
func (s *State) waited(c *Channel) time.Duration {
	longest := slices.Max(c.State.Oldest[:])
	for i := range c.Minutes {
		if m := &c.Minutes[i]; m.Looks > 0 || m.Waiting > 0 {
			latest := m.At.Add(sampleEvery * time.Duration(max(0, min(m.Looks, looksAMinute)-1)))
			longest = min(longest, s.Now.Sub(latest)+m.Oldest)
		}
	}
	if c.State.RetryDue > 0 {
		longest = max(longest, s.Now.Sub(c.State.NextRetry))
	}
	return longest
}

// waitLimit is the longest wait that is not worth a word.
func (s *State) waitLimit(c *Channel) time.Duration {
	var waits []time.Duration
	for i := range c.Minutes {
		if c.Minutes[i].Waiting > 0 {
			waits = append(waits, c.Minutes[i].Oldest)
		}
	}
	if len(waits) == 0 {
		return waitFloor
	}
	slices.Sort(waits)
	return min(max(usually*waits[len(waits)*usualShare/100], waitFloor), waitCeiling)
}

// differ: programs run with different settings, as after a ConfigMap was edited in place. While a rollout replaces them that passes.
func (s *State) differ(c *Channel) trouble {
	all := c.State.SettingsDiffer
	if len(all) == 0 {
		return trouble{}
	}
	text := all[0]
	if more := len(all) - 1; more > 0 {
		text += " and " + plural(int64(more), "other", "others")
	}
	return trouble{Attention, "programs run with different settings: restart them (" + text + ")"}
}

// undelivered: providers took the messages, and report that they do not arrive.
func (s *State) undelivered(c *Channel) trouble {
	hour, days := c.within(s.Now, time.Hour), c.within(s.Now, queue.MinutesKept)
	reported, all := hour.Delivered+hour.Undelivered, days.Delivered+days.Undelivered
	// A tenth that does not arrive is much; what the two days had is usual.
	if reported < minReports || 10*hour.Undelivered < reported || hour.Undelivered*all < usually*days.Undelivered*reported/2 && all > 5*reported {
		return trouble{}
	}
	return trouble{Attention, thousands(hour.Undelivered) + " of " + thousands(reported) + " were not delivered, by the provider's reports of the last hour"}
}
