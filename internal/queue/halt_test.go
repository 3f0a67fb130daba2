package queue_test

import (
	"encoding/json"
	"testing"

	"ringup.dev/ringup/internal/queue"
)

func TestHalt(t *testing.T) {
	t.Parallel()
	paused := queue.Halt{Kind: queue.HaltedPause, Why: "by ann: wrong text"}
	keys := []string{"{ringup:sms}:retry", "{ringup:sms}:held"}
	for _, tt := range []struct {
		halt queue.Halt
		json string
	}{
		{queue.Halt{}, `{}`},
		{paused, `{"halted":"paused by ann: wrong text"}`},
		{queue.Halt{Kind: queue.HaltedBreaker, Why: "twilio: account: credentials"}, `{"halted":"twilio: account: credentials"}`},
		{queue.Halt{}.ForeignKeys(keys), `{"halted":"not ringup's, by its type: {ringup:sms}:retry, {ringup:sms}:held"}`},
		{paused.ForeignKeys(keys[:1]), `{"halted":"paused by ann: wrong text; not ringup's, by its type: {ringup:sms}:retry"}`},
		{paused.ForeignKeys(nil), `{"halted":"paused by ann: wrong text"}`},
	} {
		type state struct {
			Halted queue.Halt `json:"halted,omitzero"`
		}
		text, err := json.Marshal(state{tt.halt})
		if err != nil || string(text) != tt.json {
			t.Errorf("%+v is %s, want %s (%v)", tt.halt, text, tt.json, err)
		}
		var back state
		if err := json.Unmarshal(text, &back); err != nil || back.Halted != tt.halt {
			t.Errorf("%s is read as %+v (%v)", text, back.Halted, err)
		}
	}
}
