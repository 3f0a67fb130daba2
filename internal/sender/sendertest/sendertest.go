// Package sendertest is the contract of sender.Sender as tests. Each sender runs them with its own signatures, samples and rules.
package sendertest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/value"
)

var update = flag.Bool("update", false, "write what the samples are read as into testdata/*.want")

// Suite is a sender under test.
type Suite struct {
	// New returns the sender of the store "default", with these keys.
	New func(keys ...string) sender.Sender
	// Sign gives a delivery the headers of one that is signed with a key. Nil of a sender that signs nothing.
	Sign func(d *sender.Delivery, key string)
	// Unbound says that what Sign adds says who posts, and nothing about the body.
	Unbound bool
	// NewPath returns the sender with these keys for paths, and none for signatures. Nil of a sender that has no paths with keys.
	NewPath func(keys ...string) sender.Sender
	// Vectors are signatures that are known to be right.
	Vectors []Vector
	// Samples are deliveries of the sender. What each is read as is in testdata/<name>.want, which -update writes and a person reads.
	Samples []Sample
	// Window is how old a signed delivery may be; 0 where its age is not looked at.
	Window time.Duration
	// Essential are the paths, as data.object.id, without which a delivery is malformed or says something else. At all other places any value may stand.
	Essential []string
}

// Vector is a signature that is known to be right.
type Vector struct {
	Name   string
	Key    string
	Header http.Header
	Body   []byte
	At     time.Time // when it came in; the zero value is Now
}

// Sample is a delivery of a sender.
type Sample struct {
	Name   string // of its file, testdata/<name>.json, and of testdata/<name>.want
	Header http.Header
	Form   bool      // the file's text is what a form's member "payload" has
	At     time.Time // when it came in; the zero value is Now
}

// Now is when the deliveries of the tests come in, unless they say otherwise: minutes after the events of the samples.
var Now = time.Date(2026, 11, 20, 18, 10, 0, 0, time.UTC)

const (
	key      = "a-key-of-the-shop-0123456789"
	otherKey = "another-key-of-the-shop-9876"
)

// Run runs the tests that every sender passes.
func Run(t *testing.T, s Suite) {
	t.Helper()
	t.Run("vectors", s.vectors)
	t.Run("signature", s.signature)
	t.Run("path", s.path)
	t.Run("samples", s.samples)
	t.Run("any value", s.anyValue)
	t.Run("cut", s.cut)
	t.Run("twice", s.twice)
}

// Delivery returns a sample as it is delivered, signed with key.
func (s *Suite) Delivery(t testing.TB, sample Sample, key string) *sender.Delivery {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", sample.Name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return s.deliver(sample, body, key)
}

func (s *Suite) deliver(sample Sample, body []byte, key string) *sender.Delivery {
	if sample.Form {
		body = form(body)
	}
	d := &sender.Delivery{Header: sample.Header.Clone(), Body: body, At: sample.At}
	if d.Header == nil {
		d.Header = http.Header{}
	}
	if d.At.IsZero() {
		d.At = Now
	}
	if s.Sign != nil {
		s.Sign(d, key)
	}
	return d
}

// vectors: the known signatures are right, and no longer when anything is changed.
func (s *Suite) vectors(t *testing.T) {
	for _, v := range s.Vectors {
		d := func() *sender.Delivery {
			at := v.At
			if at.IsZero() {
				at = Now
			}
			return &sender.Delivery{Header: v.Header.Clone(), Body: bytes.Clone(v.Body), At: at}
		}
		if err := s.New(v.Key).Verify(d()); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		if err := s.New(otherKey, v.Key).Verify(d()); err != nil {
			t.Errorf("%s, the second of two keys: %v", v.Name, err)
		}
		refused(t, v.Name+" with another key", s.New(otherKey), d())
		if s.Unbound {
			continue
		}
		longer := d()
		longer.Body = append(longer.Body, ' ')
		refused(t, v.Name+" with one byte more", s.New(v.Key), longer)
	}
}

// signature: only the bytes that were signed with one of the keys are let in.
func (s *Suite) signature(t *testing.T) {
	if s.Sign == nil {
		t.Skip("it signs nothing: its key is in the path, which the sender's own tests cover")
	}
	sample := s.Samples[0]
	if err := s.New(key).Verify(s.Delivery(t, sample, key)); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	if err := s.New(otherKey, key).Verify(s.Delivery(t, sample, key)); err != nil {
		t.Errorf("the second of two keys: %v", err)
	}
	refused(t, "another key", s.New(otherKey), s.Delivery(t, sample, key))
	refused(t, "no key is configured", s.New(), s.Delivery(t, sample, key))
	bare := s.Delivery(t, sample, key)
	bare.Header = sample.Header.Clone()
	refused(t, "no signature", s.New(key), bare)
	s.signatures(t, sample)
	if s.Unbound {
		return
	}
	for i := range 8 {
		changed := s.Delivery(t, sample, key)
		changed.Body[i*len(changed.Body)/8] ^= 1
		refused(t, fmt.Sprintf("byte %d changed", i*len(changed.Body)/8), s.New(key), changed)
	}
	empty := s.Delivery(t, sample, key)
	empty.Body = nil
	refused(t, "an empty body with the signature of another", s.New(key), empty)
	if s.Window > 0 {
		late := s.Delivery(t, sample, key)
		late.At = late.At.Add(s.Window + time.Minute)
		refused(t, "a delivery that is recorded and made again later", s.New(key), late)
	}
}

// signatures: what stands in the header in place of the signature lets nobody in, and stops nothing.
func (s *Suite) signatures(t *testing.T, sample Sample) {
	signed := s.Delivery(t, sample, key)
	for name := range signed.Header {
		if _, before := sample.Header[name]; before {
			continue
		}
		good := signed.Header.Get(name)
		for _, text := range []string{"", " ", "=", "x", "v1=", "sha256=", good[:len(good)/2], strings.ToUpper(good) + "x", good + good, good + ",", "\x00", strings.Repeat("A", 10_000)} {
			d := s.Delivery(t, sample, otherKey)
			d.Header.Set(name, text)
			refused(t, name+": "+text[:min(len(text), 60)], s.New(otherKey+"x"), d)
		}
		twice := s.Delivery(t, sample, key)
		twice.Header[name] = []string{"", good}
		// An empty header in front does not hide a wrong one behind it.
		twice.Body = append(twice.Body, ' ')
		refused(t, "an empty "+name+" before another", s.New(key), twice)
	}
}

// path: a key at the end of the path is one of those for paths; a signature does not make up for a wrong one, and a key for paths signs nothing.
func (s *Suite) path(t *testing.T) {
	if s.NewPath == nil {
		t.Skip("it signs all that it posts")
	}
	deliver := func(key, signedWith string) *sender.Delivery {
		d := s.Delivery(t, s.Samples[0], signedWith)
		if signedWith == "" {
			d.Header = s.Samples[0].Header.Clone()
		}
		d.Key = key
		return d
	}
	for _, keys := range [][]string{{key}, {otherKey, key}} {
		if err := s.NewPath(keys...).Verify(deliver(key, "")); err != nil {
			t.Errorf("the last of %d keys: %v", len(keys), err)
		}
	}
	for _, wrong := range []string{"", otherKey, key[1:], key + "x", strings.ToUpper(key), "\x00"} {
		refused(t, "the key "+wrong, s.NewPath(key), deliver(wrong, ""))
		refused(t, "no key for paths, and "+wrong, s.NewPath(), deliver(wrong, ""))
	}
	refused(t, "a wrong key beside a good signature", s.New(key), deliver(otherKey, key))
	refused(t, "the key of the signature in the path", s.New(key), deliver(key, ""))
	refused(t, "signed with the key for paths", s.NewPath(key), deliver("", key))
}

func refused(t *testing.T, what string, from sender.Sender, d *sender.Delivery) {
	t.Helper()
	var unauthorized *sender.UnauthorizedError
	if err := from.Verify(d); !errors.As(err, &unauthorized) || unauthorized.Detail == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// samples: each is read as its file says.
func (s *Suite) samples(t *testing.T) {
	for _, sample := range s.Samples {
		reading, err := s.New(key).Decode(s.Delivery(t, sample, key))
		got := Text(reading, err)
		path := filepath.Join("testdata", sample.Name+".want")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != got {
			t.Errorf("%s: %v, got:\n%s\nwant:\n%s", sample.Name, err, got, want)
		}
	}
}

// Check checks what every reading keeps to.
func Check(reading *sender.Reading, err error) error {
	var malformed *sender.MalformedError
	switch {
	case errors.As(err, &malformed):
		if reading != nil || malformed.Detail == "" {
			return errors.New("malformed, with a reading or without a reason")
		}
		return nil
	case err != nil:
		return fmt.Errorf("an error of another type: %w", err)
	case len(reading.Events) == 0 && reading.Skip == "":
		return errors.New("no event, and no reason")
	case len(reading.Events) > 0 && reading.Skip != "":
		return errors.New("events, and a reason why there is none")
	}
	var seen []string
	for _, e := range reading.Events {
		if err := checkEvent(e); err != nil {
			return fmt.Errorf("event %q: %w", e.ID, err)
		}
		if slices.Contains(seen, e.ID) {
			return fmt.Errorf("two events have the id %q", e.ID)
		}
		seen = append(seen, e.ID)
	}
	for _, id := range reading.Undated {
		if !slices.Contains(seen, id) {
			return fmt.Errorf("%q is undated, and no event", id)
		}
	}
	return nil
}

func checkEvent(e *event.Event) error {
	switch {
	case e.ID == "" || len(e.ID) > event.MaxID || strings.ContainsFunc(e.ID, unicode.IsControl):
		return errors.New("its id is invalid")
	case !strings.HasPrefix(e.ID, e.Sender+"/"):
		return errors.New("its id does not begin with the sender")
	case e.Store != event.DefaultStore || !e.Type.Known() || e.At.IsZero():
		return fmt.Errorf("store %q, type %q, at %s", e.Store, e.Type, e.At)
	case len(e.Items) > event.MaxItems:
		return errors.New("too many items")
	}
	if code, ok := value.Currency(e.Sale.Currency); e.Sale.Currency != "" && (!ok || code != e.Sale.Currency) {
		return fmt.Errorf("currency %q", e.Sale.Currency)
	}
	numbers := []string{e.Sale.Subtotal, e.Sale.Discount, e.Sale.Tax, e.Sale.Tip, e.Sale.Total, e.Sale.Refunded}
	for _, item := range e.Items {
		numbers = append(numbers, item.Quantity, item.UnitPrice, item.Total)
		if len(item.Options) > event.MaxOptions {
			return errors.New("too many options")
		}
	}
	for _, n := range numbers {
		if plain, ok := value.Number(n); n != "" && (!ok || plain != n) {
			return fmt.Errorf("%q is no plain number", n)
		}
	}
	raw, err := e.AppendBinary(nil)
	if err != nil {
		return err
	}
	back, err := event.Decode(raw)
	if err != nil {
		return err
	}
	if again, err := back.AppendBinary(nil); err != nil || !bytes.Equal(raw, again) {
		return fmt.Errorf("it is another one after the queue: %w", err)
	}
	return nil
}

// twice: a delivery that is repeated, and another one of the same meaning, are the same events.
func (s *Suite) twice(t *testing.T) {
	for _, sample := range s.Samples {
		first, err1 := s.New(key).Decode(s.Delivery(t, sample, key))
		later := s.Delivery(t, sample, key)
		later.At = later.At.Add(time.Minute)
		second, err2 := s.New(key).Decode(later)
		if err1 != nil || err2 != nil {
			continue // samples has it
		}
		for i, e := range first.Events {
			if second.Events[i].Key() != e.Key() || second.Events[i].Type != e.Type {
				t.Errorf("%s: %q, and a minute later %q", sample.Name, e.ID, second.Events[i].ID)
			}
		}
	}
}
