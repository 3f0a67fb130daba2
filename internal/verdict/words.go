package verdict

import (
	"fmt"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Title is a channel as a line begins with it.
func Title(channel message.Channel) string {
	switch channel {
	case message.SMS:
		return "SMS"
	case message.Email:
		return "E-mail"
	case message.WhatsApp:
		return "WhatsApp"
	case message.Resolve:
		return "Details of sales"
	}
	return string(channel)
}

// thousands groups digits: 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// percent is a share with one decimal, which is 100% only where nothing is missing.
func percent(n, of int64) string {
	tenths := n * 1000 / of
	return fmt.Sprintf("%d.%d%%", tenths/10, tenths%10)
}

// length is a time in its largest unit, as "12 min".
func length(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(max(d, 0).Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days"
}

// clock is a time of the last day as "02:13", and an older one with its date. The zone is the one that the time has.
func clock(now, at time.Time) string {
	if now.Sub(at) < 20*time.Hour {
		return at.Format("15:04")
	}
	return at.Format("2 Jan 15:04")
}

// delay is in what time a percentage of the sent messages went out, as "within 2 s"; "" where nothing was sent.
func delay(m *queue.Minute, of int64) string {
	var sent, sum int64
	for _, n := range m.Delays {
		sent += n
	}
	if sent == 0 {
		return ""
	}
	for i, n := range m.Delays {
		if sum += n; sum*100 >= sent*of && i < len(queue.DelayBounds) {
			return "within " + length(queue.DelayBounds[i])
		}
	}
	return "after more than " + length(queue.DelayBounds[len(queue.DelayBounds)-1])
}
