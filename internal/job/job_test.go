package job

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

func example() Job {
	return Job{
		WebhookID: "webhook_12345", Channel: message.SMS, Index: 300, Priority: 3, Attempts: 2, Crashes: 1, Uncertain: true,
		AcceptedAt: time.UnixMilli(1704110400123), Audience: message.Staff, Recipient: "+1234567890", LastError: "transient: outage (HTTP 503)",
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Type: event.POSSave, Store: event.DefaultStore, Body: []byte(`{"id":"webhook_12345"}`),
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	shared := example()
	shared.SharedBody, shared.Body = true, nil
	least := Job{WebhookID: "a", Channel: message.SMS, Index: 1, Priority: 1, AcceptedAt: time.UnixMilli(0), Audience: message.Customer, Recipient: "b",
		Type: "t", Store: "s", Body: []byte{}}
	old := example()
	old.Version1 = true
	for _, want := range []Job{example(), shared, least, old} {
		raw, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(message.SMS, raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *got, cmp.AllowUnexported(Job{})); diff != "" {
			t.Error(diff)
		}
	}
}

// TestGolden holds the bytes of version 1: other programs of this version wait with them in Redis.
func TestGolden(t *testing.T) {
	t.Parallel()
	const golden = "01" + "03" + "02" + "01" + "02" + "018cc4e5227b" + "0d776562686f6f6b5f3132333435" +
		"1c7472616e7369656e743a206f75746167652028485454502035303329" + "ac02" + "73" + "0b2b31323334353637383930" +
		"3730302d34626639326633353737623334646136613363653932396430653065343733362d303066303637616130626139303262372d3031" +
		"7b226964223a22776562686f6f6b5f3132333435227d"
	j := example()
	j.Version1 = true
	raw, err := j.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(raw); got != golden {
		t.Errorf("the bytes of version 1 have changed:\n%s\n%s", got, golden)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Job){
		"no id":           func(j *Job) { j.WebhookID = "" },
		"a long id":       func(j *Job) { j.WebhookID = strings.Repeat("x", maxID+1) },
		"no recipient":    func(j *Job) { j.Recipient = "" },
		"a long address":  func(j *Job) { j.Recipient = message.Address(strings.Repeat("x", message.MaxAddress+1)) },
		"priority 5":      func(j *Job) { j.Priority = 5 },
		"no index":        func(j *Job) { j.Index = 0 },
		"an endless span": func(j *Job) { j.Trace = strings.Repeat("x", 256) },
		"no type":         func(j *Job) { j.Type = "" },
		"no store":        func(j *Job) { j.Store = "" },
		"a long type":     func(j *Job) { j.Type = event.Type(strings.Repeat("x", 256)) },
		"a long store":    func(j *Job) { j.Store = strings.Repeat("x", 256) },
		"a long group":    func(j *Job) { j.Group = strings.Repeat("x", 256) },
	} {
		j := example()
		change(&j)
		if _, err := j.AppendBinary(nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	t.Parallel()
	j := example()
	j.LastError = strings.Repeat("é", 150)
	raw, err := j.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(message.SMS, raw); err != nil || got.LastError != strings.Repeat("é", 100) {
		t.Errorf("%q, %v", got.LastError, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	j := example()
	raw, err := j.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte{3}, raw[1:]...)
	if _, err := Decode(message.SMS, newer); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer version: %v", err)
	}
	for i := range len(raw) - len(j.Body) {
		if _, err := Decode(message.SMS, raw[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	j := example()
	j.WebhookID = "a:b:sms:1"
	id, channel, index, err := ParseID(j.ID())
	if err != nil || id != "a:b:sms:1" || channel != message.SMS || index != 300 {
		t.Errorf("%s: %q %q %d, %v", j.ID(), id, channel, index, err)
	}
	for _, bad := range []string{"", "a", "a:sms", "a:fax:1", "a:sms:0", "a:sms:x", ":sms:1"} {
		if _, _, _, err := ParseID(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzDecode: whatever can be read is written again as it was.
func FuzzDecode(f *testing.F) {
	j := example()
	raw, err := j.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	j.Version1 = true
	if raw, err = j.AppendBinary(nil); err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := Decode(message.SMS, data)
		if err != nil || len(j.WebhookID) > maxID || len(j.Recipient) > message.MaxAddress || len(j.LastError) > MaxError {
			return
		}
		again, err := j.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(message.SMS, again); err != nil || got.ID() != j.ID() || got.Type != j.Type || got.Store != j.Store || got.Group != j.Group ||
			got.Version1 != j.Version1 || !bytes.Equal(got.Body, j.Body) {
			t.Errorf("%x became %x", data, again)
		}
	})
}

// TestEvent: a job's event is the one that its body was made of, and what the header has is in it.
func TestEvent(t *testing.T) {
	t.Parallel()
	want := &event.Event{ID: "webhook_12345", Store: "default", Sender: "pos", Type: event.POSSave, At: time.Unix(1704110400, 0).UTC(), Source: "till",
		Sale: event.Sale{Total: "12.50"}}
	body, err := Body(want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(body, []byte("webhook_12345")) || bytes.Contains(body, []byte("default")) || bytes.Contains(body, []byte("pos_save")) {
		t.Errorf("the body repeats what the header has: %q", body)
	}
	old := example()
	old.Version1 = true
	old.Body = []byte(`{"id":"webhook_12345","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","source":"till","data":{"amount":12.50}}`)
	newer := example()
	newer.Body = body
	for name, j := range map[string]Job{"version 1": old, "version 2": newer} {
		got, err := j.Event()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for name, bad := range map[string]Job{
		"not fetched": {SharedBody: true}, "not fetched, of version 1": {SharedBody: true, Version1: true}, "no event": {Body: []byte("{}")},
		"no webhook": {Body: []byte("{}"), Version1: true},
	} {
		if e, err := bad.Event(); !errors.Is(err, ErrCorrupt) || e != nil {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
