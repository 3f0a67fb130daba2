package event

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "add events that testdata/golden.txt does not have yet")

// full is an event with something in every field.
func full() *Event {
	return &Event{
		ID: "webhook_12345", Store: "default", Sender: "pos", Type: PaymentComplete, At: time.Date(2024, 1, 1, 12, 0, 0, 5, time.FixedZone("", 2*60*60)),
		Source: "till 3",
		Sale: Sale{
			TransactionID: "TXN_67890", OrderID: "ORD_1", OrderName: "#1001", Status: "paid", Currency: "USD", Subtotal: "130.00", Discount: "-5.00",
			Tax: "0.50", Tip: "2.00", Total: "125.50", Refunded: "1.00", Payment: Payment{Brand: "Visa", LastFour: "4242"},
			ReceiptURL: "https://till.example.com/r/1", Place: "Table 7", Test: true,
		},
		Customer: Customer{Name: "Zoë مرحبا 😀", Phone: "+1234567890", Region: "US", Email: "john.doe@example.com", Locale: "en-US", TimeZone: "America/New_York"},
		Items: []Item{
			{Name: "Espresso", Options: []string{"double", "", "oat milk"}, Quantity: "2", UnitPrice: "3.25", Total: "6.50"},
			{},
			{Name: strings.Repeat("long ", 40)},
		},
		Extra: `{"points":120,"note":"\u003cb\u003e"}`,
	}
}

func goldenEvents() map[string]*Event {
	return map[string]*Event{
		"empty":  {},
		"full":   full(),
		"later":  {Sale: Sale{TaxIncluded: true}, Lookup: "orders/1"}, // fields that came after full's
		"1970":   {At: time.Unix(0, 0).UTC()},
		"before": {At: time.Date(1, 1, 1, 0, 0, 1, 0, time.FixedZone("", -12*60*60))},
		"long":   {Sale: Sale{Status: strings.Repeat("x", 20_000)}},
	}
}

// TestGolden holds the bytes of events: they wait in Redis, and programs of other versions read them.
func TestGolden(t *testing.T) {
	t.Parallel()
	const file = "testdata/golden.txt"
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && name != "#" {
			golden[name] = value
		}
	}
	for name, want := range goldenEvents() {
		encoded, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, there := golden[name]; !there && *update {
			content = fmt.Appendf(content, "%s %x\n", name, encoded)
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := hex.EncodeToString(encoded); got != golden[name] {
			t.Errorf("%s has other bytes now:\n%s", name, got)
		}
		raw, err := hex.DecodeString(golden[name])
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(raw)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s has another meaning now (+), %v:\n%s", name, err, diff)
		}
	}
	if len(golden) != len(goldenEvents()) {
		t.Errorf("the file has %d events, the test %d", len(golden), len(goldenEvents()))
	}
}

func drawEvent(t *rapid.T) *Event {
	text := func(name string) string { return rapid.String().Draw(t, name) }
	e := &Event{
		ID: text("id"), Store: text("store"), Sender: text("sender"), Type: Type(text("type")), Source: text("source"), Extra: text("extra"), Lookup: text("lookup"),
		Sale: Sale{
			TransactionID: text("transaction"), OrderID: text("order"), OrderName: text("order name"), Status: text("status"), Currency: text("currency"),
			Subtotal: text("subtotal"), Discount: text("discount"), Tax: text("tax"), Tip: text("tip"), Total: text("total"), Refunded: text("refunded"),
			Payment: Payment{Brand: text("brand"), LastFour: text("last four")}, ReceiptURL: text("receipt"), Place: text("place"), Test: rapid.Bool().Draw(t, "test"), TaxIncluded: rapid.Bool().Draw(t, "tax included"),
		},
		Customer: Customer{Name: text("name"), Phone: text("phone"), Region: text("region"), Email: text("email"), Locale: text("locale"), TimeZone: text("zone")},
	}
	if rapid.Bool().Draw(t, "has a time") {
		e.At = time.Unix(rapid.Int64Range(-62135596799, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).
			In(time.FixedZone("", rapid.IntRange(-maxOffset, maxOffset).Draw(t, "offset")))
	}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		e.Items = append(e.Items, Item{Name: text("item"), Options: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "options"), Quantity: text("quantity"),
			UnitPrice: text("unit price"), Total: text("line total")})
	}
	return e
}

// TestRoundTrip: what is encoded behind other bytes is read as it was, with its time in its zone.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvent(t)
		raw, err := want.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(raw[len("before"):])
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" || string(raw[:6]) != "before" {
			t.Fatalf("%v: %s", err, diff)
		}
		if got.At.Format(time.RFC3339Nano) != want.At.Format(time.RFC3339Nano) {
			t.Fatalf("at %s, want %s", got.At, want.At)
		}
	})
}

// oddTimes are times with offsets that no place has, and that time.Parse takes.
var oddTimes = []string{"2024-01-01T12:00:00+24:00", "2024-01-01T12:00:00-24:00", "2024-01-01T12:00:00+23:60", "2024-01-01T12:00:00+24:60", "2024-01-01T12:00:00-24:60"}

func parsed(tb testing.TB, text string) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		tb.Fatal(err)
	}
	return at
}

// TestEveryTimeThatSendersTake: an event with any time that time.Parse takes is encoded, and read as it was.
func TestEveryTimeThatSendersTake(t *testing.T) {
	t.Parallel()
	times := slices.Clone(oddTimes)
	for hour := range 100 {
		for minute := range 100 {
			for _, sign := range "+-" {
				times = append(times, fmt.Sprintf("2024-01-01T12:00:00%c%02d:%02d", sign, hour, minute))
			}
		}
	}
	taken := 0
	for _, text := range times {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			continue
		}
		taken++
		raw, err := (&Event{At: at}).AppendBinary(nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := Decode(raw)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !got.At.Equal(at) || got.At.Format(time.RFC3339) != at.Format(time.RFC3339) {
			t.Errorf("%s was read as %s", text, got.At.Format(time.RFC3339))
		}
	}
	if taken < len(oddTimes)+2*24*60 {
		t.Errorf("%d times were taken", taken)
	}
}

// TestTextsOfLargeEvents: a text that is kept of a large event keeps no other text of it in memory; those of small events are parts of one copy.
func TestTextsOfLargeEvents(t *testing.T) {
	t.Parallel()
	of := func(letter string) string { return strings.Repeat(letter, 100) }
	for extra, shared := range map[int]bool{0: true, maxShared - 900: true, maxShared: false, 1 << 20: false} {
		raw, err := (&Event{Source: of("A"), Extra: strings.Repeat("x", extra), Sale: Sale{Status: of("B"), Payment: Payment{Brand: of("C")}}, Customer: Customer{Name: of("D")},
			Items: []Item{{Name: of("E"), Options: []string{of("F"), of("G")}}}}).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{e.Sale.Status, e.Sale.Payment.Brand, e.Customer.Name, e.Items[0].Name, e.Items[0].Options[0], e.Items[0].Options[1]} {
			// In one copy they are as far from each other as in the bytes.
			distance := reflect.ValueOf(text).Pointer() - reflect.ValueOf(e.Source).Pointer()
			if together := distance == uintptr(bytes.Index(raw, []byte(text))-bytes.Index(raw, []byte(e.Source))); together != shared {
				t.Errorf("of %d bytes, %.1s… is a part of one copy: %v", len(raw), text, together)
			}
		}
	}
}

// TestFieldsOfANewerVersion: a program skips what a newer one adds, in every message and of every kind.
func TestFieldsOfANewerVersion(t *testing.T) {
	t.Parallel()
	newer := func(raw []byte) []byte {
		raw = protowire.AppendString(protowire.AppendTag(raw, 100, protowire.BytesType), "new")
		raw = protowire.AppendVarint(protowire.AppendTag(raw, 101, protowire.VarintType), 1<<40)
		raw = protowire.AppendFixed32(protowire.AppendTag(raw, 102, protowire.Fixed32Type), 1)
		raw = protowire.AppendFixed64(protowire.AppendTag(raw, 103, protowire.Fixed64Type), 1)
		// A number that is known, with another kind of value.
		return protowire.AppendVarint(protowire.AppendTag(raw, 1, protowire.VarintType), 7)
	}
	message := func(raw []byte, number protowire.Number) []byte {
		return protowire.AppendBytes(protowire.AppendTag(raw, number, protowire.BytesType), newer(nil))
	}
	want := full()
	raw, err := want.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw = message(message(message(newer(raw), eventSale), eventCustomer), eventItems)
	want.Items = append(want.Items, Item{})
	got, err := Decode(raw)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	item := []byte{byte(eventItems)<<3 | byte(protowire.BytesType), 0}
	for name, one := range map[string]struct {
		event *Event
		bytes []byte
	}{
		"items": {&Event{Items: make([]Item, MaxItems+1)}, slices.Repeat(item, MaxItems+1)},
		"options": {&Event{Items: []Item{{Options: make([]string, MaxOptions+1)}}},
			protowire.AppendBytes(item[:1:1], slices.Repeat([]byte{byte(itemOptions)<<3 | byte(protowire.BytesType), 0}, MaxOptions+1))},
		"bytes": {&Event{Extra: strings.Repeat("x", MaxBytes)}, make([]byte, MaxBytes+1)},
		"nanos": {nil, []byte{5 << 3, 0, 6 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
		"offset to the east": {&Event{At: time.Unix(0, 0).In(time.FixedZone("", maxOffset+1))},
			protowire.AppendVarint([]byte{5 << 3, 0, 7 << 3}, protowire.EncodeZigZag(maxOffset+1))},
		"offset to the west": {&Event{At: time.Unix(0, 0).In(time.FixedZone("", -maxOffset-1))},
			protowire.AppendVarint([]byte{5 << 3, 0, 7 << 3}, protowire.EncodeZigZag(-maxOffset-1))},
		"zone": {nil, []byte{5 << 3, 0, 7 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}},
	} {
		if one.event != nil {
			if raw, err := one.event.AppendBinary([]byte("x")); err == nil || string(raw) != "x" {
				t.Errorf("%s: encoded to %d bytes, %v", name, len(raw), err)
			}
		}
		if _, err := Decode(one.bytes); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: decoded, %v", name, err)
		}
	}
	most := &Event{Items: make([]Item, MaxItems)}
	most.Items[0].Options = make([]string, MaxOptions)
	raw, err := most.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(raw); err != nil || len(got.Items) != MaxItems || len(got.Items[0].Options) != MaxOptions {
		t.Errorf("an event at the limits: %v", err)
	}
}

// TestDecodeRefuses: an event that was cut is either shorter by whole fields, or refused.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	raw, err := full().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range raw {
		got, err := Decode(raw[:i])
		switch {
		case errors.Is(err, ErrCorrupt):
			refused++
		case err != nil:
			t.Errorf("the first %d bytes: %v", i, err)
		default:
			again, err := got.AppendBinary(nil)
			if err != nil || len(again) > i {
				t.Errorf("the first %d bytes became %d, %v", i, len(again), err)
			}
		}
	}
	if refused < len(raw)*9/10 {
		t.Errorf("%d of %d were refused", refused, len(raw))
	}
}

// FuzzDecode: whatever can be read is written and read again with the same meaning.
func FuzzDecode(f *testing.F) {
	for _, e := range goldenEvents() {
		if raw, err := e.AppendBinary(nil); err == nil && len(raw) < 1000 {
			f.Add(raw)
		}
	}
	for _, at := range oddTimes {
		raw, err := (&Event{At: parsed(f, at)}).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x4a, 0x03, 0x62, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%x: %v", data, err)
			}
			return
		}
		again, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(again); err != nil || !cmp.Equal(e, got, cmpopts.EquateEmpty()) {
			t.Errorf("%x became %x, %v: %s", data, again, err, cmp.Diff(e, got))
		}
	})
}

func BenchmarkAppendBinary(b *testing.B) {
	e, buffer := typical(b), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.AppendBinary(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	raw, err := typical(b).AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ReportMetric(float64(len(raw)), "bytes")
	for b.Loop() {
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeVersion1(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeVersion1([]byte(webhook)); err != nil {
			b.Fatal(err)
		}
	}
}

// typical is an event as most are.
func typical(b *testing.B) *Event {
	b.Helper()
	e, err := DecodeVersion1([]byte(webhook))
	if err != nil {
		b.Fatal(err)
	}
	e.ID, e.Store, e.Type = "", "", ""
	return e
}

// TestKey: ids of different stores and senders never share a key, and those of 0.1.0 keep theirs.
func TestKey(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, store := range []string{"default", "luna", ""} {
		for _, sender := range []string{"pos", "shopify", ""} {
			for _, id := range []string{"a", "luna", "pos", "pos/a"} {
				key := (&Event{Store: store, Sender: sender, ID: id}).Key()
				if other, twice := seen[key]; twice {
					t.Errorf("%q is the key of %s/%s/%s and of %s", key, store, sender, id, other)
				}
				seen[key] = store + "/" + sender + "/" + id
			}
		}
	}
	if key := (&Event{Store: "default", Sender: "pos", ID: "webhook_1"}).Key(); key != "webhook_1" {
		t.Errorf("the key of 0.1.0 has changed: %q", key)
	}
}
