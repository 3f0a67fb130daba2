package verdict

import (
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/queue"
)

const (
	// fullShare is the percentage of its maxmemory from which Redis counts as full.
	fullShare = 95
	// quietFor is the shortest time in which nothing is accepted that is worth a word, and expected how many messages came in that time yesterday: by
	// chance none come instead of ten once in some 20,000 times.
	quietFor, expected = 15 * time.Minute, 10
	// refusedFor is how long ago a sender's refused webhook may be to count as one of now.
	refusedFor = 15 * time.Minute
	// senderQuiet is for how long a sender that posted every day has to post nothing to count as quiet.
	senderQuiet = 25 * time.Hour
)

// others returns the lines of what belongs to no channel.
func others(s *State) []Line {
	out := []Line{}
	add := func(level Level, text string) { out = append(out, Line{level, text}) }
	if s.MemoryLimit > 0 && s.Memory*100 >= s.MemoryLimit*fullShare {
		add(Failing, "Redis is full ("+percent(s.Memory, s.MemoryLimit)+" of its maxmemory): webhooks are refused, and senders repeat them; accepted messages go out")
	}
	if text := s.quiet(); text != "" {
		add(Attention, text)
	}
	for i := range s.Senders {
		if level, text := s.sender(&s.Senders[i]); level != Well {
			add(level, text)
		}
	}
	if s.Aside > 0 {
		add(Attention, plural(int64(s.Aside), "webhook is", "webhooks are")+" set aside, since their form is not known: see Senders")
	}
	return out
}

// quiet says for how long nothing has been accepted, where webhooks came in that time yesterday; "" where all is as usual.
func (s *State) quiet() string {
	last, yesterday := time.Time{}, int64(0)
	for i := range s.Channels {
		for _, m := range s.Channels[i].Minutes {
			if m.Accepted > 0 && m.At.After(last) {
				last = m.At
			}
		}
	}
	gap := s.Now.Sub(last)
	if last.IsZero() || gap < quietFor {
		return ""
	}
	from, to := last.Add(time.Minute-24*time.Hour), s.Now.Add(-24*time.Hour)
	if gap > 24*time.Hour {
		from = last.Add(-24 * time.Hour) // the day before it ended
		to = last
	}
	for i := range s.Channels {
		var n int64
		for _, m := range s.Channels[i].Minutes {
			if !m.At.Before(from) && m.At.Before(to) {
				n += m.Accepted
			}
		}
		yesterday = max(yesterday, n) // a webhook counts on each of its channels
	}
	if yesterday < expected || s.quietLastWeek(last) {
		return ""
	}
	return "nothing has been accepted since " + clock(s.Now, last) + "; in that time " + thousands(yesterday) + " messages were a day before"
}

// quietLastWeek says whether fewer came between the same times a week ago, too, as where a shop is closed on Sundays; false where that is not known.
func (s *State) quietLastWeek(last time.Time) bool {
	const week = 7 * 24 * time.Hour
	from, to := last.Add(time.Hour-week).Unix()/3600, s.Now.Add(-week).Unix()/3600
	for i := range s.Channels {
		if s.Channels[i].State == nil {
			return false
		}
		var sum int64
		for hour := from; hour <= to; hour++ {
			n, known := s.Channels[i].State.Hours[hour]
			if !known {
				return false
			}
			sum += n
		}
		if sum >= expected {
			return false
		}
	}
	return from <= to
}

// refusals are the outcomes of webhooks that a sender was not answered 200 for.
var refusals = []string{"unauthorized", "too_large", "media_type", "unavailable", "full", "busy", "error"}

// sender returns what is wrong with a sender.
func (s *State) sender(one *queue.SenderState) (Level, string) {
	var last, refused time.Time
	why := ""
	for outcome, count := range one.Outcomes {
		switch {
		case !slices.Contains(refusals, outcome):
			last = later(last, count.Last)
		case count.Last.After(refused):
			refused, why = count.Last, outcome
		}
	}
	name := one.Sender
	if name != "" && name[0] >= 'a' && name[0] <= 'z' {
		name = string(name[0]-'a'+'A') + name[1:]
	}
	switch {
	case refused.After(last) && s.Now.Sub(refused) < refusedFor:
		return Failing, name + ": webhooks are refused (" + strings.ReplaceAll(why, "_", " ") + "), the latest at " + clock(s.Now, refused)
	case !last.IsZero() && s.Now.Sub(last) > senderQuiet && everyDay(one, last):
		return Attention, name + " has posted nothing for " + length(s.Now.Sub(last))
	}
	return Well, ""
}

// everyDay says whether the deliveries that are known up to a time were never a day apart.
func everyDay(one *queue.SenderState, last time.Time) bool {
	if len(one.Latest) < 2 {
		return false
	}
	oldest := slices.MinFunc(one.Latest, func(a, b queue.Delivery) int { return a.At.Compare(b.At) })
	return last.Sub(oldest.At) < time.Duration(len(one.Latest))*24*time.Hour
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
