package job

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/message"
)

func example() Job {
	return Job{
		WebhookID: "webhook_12345", Channel: message.SMS, Index: 300, Priority: 3, Attempts: 2, Crashes: 1, Uncertain: true,
		AcceptedAt: time.UnixMilli(1704110400123), Audience: message.Staff, Recipient: "+1234567890", LastError: "transient: outage (HTTP 503)",
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Body: []byte(`{"id":"webhook_12345"}`),
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	shared := example()
	shared.SharedBody, shared.Body = true, nil
	least := Job{WebhookID: "a", Channel: message.SMS, Index: 1, Priority: 1, AcceptedAt: time.UnixMilli(0), Audience: message.Customer, Recipient: "b", Body: []byte{}}
	for _, want := range []Job{example(), shared, least} {
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
		"a long address":  func(j *Job) { j.Recipient = message.Address(strings.Repeat("x", MaxRecipient+1)) },
		"priority 5":      func(j *Job) { j.Priority = 5 },
		"no index":        func(j *Job) { j.Index = 0 },
		"an endless span": func(j *Job) { j.Trace = strings.Repeat("x", 256) },
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
	newer := append([]byte{2}, raw[1:]...)
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
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := Decode(message.SMS, data)
		if err != nil || len(j.WebhookID) > maxID || len(j.Recipient) > MaxRecipient || len(j.LastError) > MaxError {
			return
		}
		again, err := j.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(message.SMS, again); err != nil || got.ID() != j.ID() || !bytes.Equal(got.Body, j.Body) {
			t.Errorf("%x became %x", data, again)
		}
	})
}
