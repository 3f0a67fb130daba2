// Package verdict says in one line how ringup is, and in one line per channel, from what the queues, the last two days' minutes and the senders tell. It decides
// and words; it asks nobody. The pages, the API and `ringup status` show the same lines in the same colours.
package verdict

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Level is how bad it is, and so the colour. A larger one is worse.
type Level int

// The levels.
const (
	Well      Level = iota
	Attention       // messages go out, and something needs an operator; or an operator has stopped them
	Failing         // messages do not go out, or are lost
	Unknown         // nobody can say
)

var levelNames = [...]string{"well", "attention", "failing", "unknown"}

func (l Level) String() string { return levelNames[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A level that is not known is Unknown.
func (l *Level) UnmarshalText(text []byte) error {
	*l = Unknown
	if i := slices.Index(levelNames[:], string(text)); i >= 0 {
		*l = Level(i)
	}
	return nil
}

// State is what a verdict is about.
type State struct {
	Now      time.Time
	Channels []Channel
	Senders  []queue.SenderState
	Aside    int // webhooks that are set aside
	// Memory that Redis uses, and its maxmemory: 0 for none, or where it is not known.
	Memory, MemoryLimit int64
	// KeepFailed is KEEP_FAILED, for the text about failed jobs that fell off; 0 where it is not known.
	KeepFailed int
}

// Channel is one channel's part of a State.
type Channel struct {
	Name  message.Channel
	State *queue.ChannelState
	// Minutes are those of the last two days, the oldest first. Minutes in which nothing happened may be missing.
	Minutes []queue.Minute
	Marks   []queue.Mark
	// Why is the error that most of the latest failed jobs have; "" where none failed.
	Why string
}

// Line is a verdict in words.
type Line struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// ChannelLine is that of a channel.
type ChannelLine struct {
	Channel message.Channel `json:"channel"`
	Line
}

// Verdict is how ringup is.
type Verdict struct {
	Line                   // of the whole
	Channels []ChannelLine `json:"channels"`
	Others   []Line        `json:"others"` // of the rest: senders, Redis, too few webhooks
	At       time.Time     `json:"at"`
}

// Of returns the verdict on a state.
func Of(s State) Verdict {
	v := Verdict{Channels: []ChannelLine{}, Others: others(&s), At: s.Now}
	for i := range s.Channels {
		v.Channels = append(v.Channels, ChannelLine{s.Channels[i].Name, s.channel(&s.Channels[i])})
	}
	lines := slices.Clone(v.Others)
	for _, one := range v.Channels {
		lines = append(lines, Line{one.Level, Title(one.Channel) + ": " + one.Text})
	}
	v.Line = whole(&s, lines)
	return v
}

// whole sums up: the worst line speaks, and says how many others need an operator.
func whole(s *State, lines []Line) Line {
	var bad []Line
	for _, one := range lines {
		if one.Level != Well {
			bad = append(bad, one)
		}
	}
	if len(bad) == 0 {
		return Line{Well, "All is well: " + s.lastHour()}
	}
	worst := slices.MaxFunc(bad, func(a, b Line) int { return cmp.Compare(a.Level, b.Level) })
	text := worst.Text
	if more := len(bad) - 1; more > 0 {
		text += "; and " + plural(int64(more), "other trouble", "other troubles")
	}
	return Line{worst.Level, text}
}

// lastHour says what all channels did in the last hour.
func (s *State) lastHour() string {
	var all queue.Minute
	for i := range s.Channels {
		if s.Channels[i].Name == message.Resolve {
			continue // it sends nothing: what it fetches is sent on a channel
		}
		one := s.Channels[i].within(s.Now, time.Hour)
		all.Add(&one)
	}
	return did(&all, "sent")
}

// did says what was sent, or done as the word says, within an hour, how much of it arrived, and how long it took.
func did(m *queue.Minute, word string) string {
	if m.Sent+m.Failed == 0 {
		return "nothing to send in the last hour"
	}
	parts := []string{thousands(m.Sent) + " " + word + " in the last hour"}
	if m.Failed > 0 {
		parts = append(parts, thousands(m.Failed)+" failed")
	}
	if reported := m.Delivered + m.Undelivered; reported > 0 {
		parts = append(parts, percent(m.Delivered, reported)+" delivered, by the providers' reports")
	}
	if most := delay(m, 95); most != "" {
		parts = append(parts, "95% "+most)
	}
	return strings.Join(parts, ", ")
}

// within sums up the minutes of the time up to now.
func (c *Channel) within(now time.Time, d time.Duration) (sum queue.Minute) {
	for i := range c.Minutes {
		if c.Minutes[i].At.After(now.Add(-d - time.Minute)) {
			sum.Add(&c.Minutes[i])
		}
	}
	return sum
}
