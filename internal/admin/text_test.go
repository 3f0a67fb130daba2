package admin

import (
	"testing"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestMovedTo: a job names the one on another channel that its message fell back to, also where 0.1.0 wrote its history.
func TestMovedTo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		event queue.Event
		want  string
	}{
		{queue.Event{What: "moved", Channel: message.SMS}, "a:whatsapp:1:sms:1"},
		{queue.Event{What: "moved", Error: "a:sms:10001"}, "a:sms:10001"},
		{queue.Event{What: "failed", Error: "permanent"}, ""},
	} {
		n := &queue.Notification{ID: "a:whatsapp:1", History: []queue.Event{{What: "accepted"}, tt.event}}
		if got := MovedTo(n); got != tt.want {
			t.Errorf("%+v: fell back to %q, want %q", tt.event, got, tt.want)
		}
	}
}

// TestNames: operators read no name that stays for programs alone.
func TestNames(t *testing.T) {
	t.Parallel()
	for status, want := range map[queue.Status]string{queue.StatusScheduled: "scheduled", queue.StatusSending: "in flight", queue.StatusSent: "sent"} {
		if got := StatusName(status); got != want {
			t.Errorf("%s is %q, want %q", status, got, want)
		}
	}
	for what, want := range map[string]string{"held": "scheduled", "moved": "fell back to another channel", "lost": "worker lost", "handed_on": "handed on", "sent": "sent"} {
		if got := EventName(what); got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}
}
