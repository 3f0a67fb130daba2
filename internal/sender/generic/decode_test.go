package generic

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/event"
)

// designSample is the payload that the first release of ringup's predecessor documents.
const designSample = `{"id": "webhook_12345", "event_type": "pos_save", "timestamp": "2024-01-01T12:00:00Z", "source": "pos_system",
 "data": {"transactionId": "TXN_67890", "amount": 125.50, "currency": "USD", "customerName": "John Doe",
          "customerPhone": "+1234567890", "customerEmail": "john.doe@example.com",
          "items": [{"name": "Espresso", "quantity": 2, "price": 3.25}], "orderId": "ORD_1", "status": "ready"}}`

func TestDecodeSample(t *testing.T) {
	t.Parallel()
	w, err := Decode([]byte(designSample))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event.Sample(event.POSSave), w); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	valid := func(data string) string {
		return `{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":` + data + `}`
	}
	tests := []struct{ name, body, syntax, problems string }{
		{"nothing", ``, "empty", ""},
		{"no JSON", `hello`, "unexpected character", ""},
		{"ends early", `{"id":"a"`, "ends too early", ""},
		{"more after it", valid(`{}`) + `{}`, "more after", ""},
		{"a name twice", `{"id":"a","id":"b"}`, "twice", ""},
		{"a name twice in data", valid(`{"x":1,"x":2}`), "twice", ""},
		{"not UTF-8", valid("{\"customerName\":\"\xff\"}"), "UTF-8", ""},
		{"too deep", valid(`{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`), "nested too deeply", ""},
		{"far too deep", strings.Repeat("[", 100000), "nested too deeply", ""},
		{"an array", `[]`, "", ": must be an object, is an array"},
		{"null", `null`, "", ": must be an object, is null"},
		{"empty", `{}`, "", "id: is required; event_type: is required; timestamp: is required; data: is required"},
		{"wrong types", `{"id":1,"event_type":true,"timestamp":null,"data":[]}`, "",
			"id: must be a string, is a number; event_type: must be a string, is a boolean; timestamp: must be a string, is null; data: must be an object, is an array"},
		{"an empty id", `{"id":"","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "", "id: must have 1 to 200 bytes"},
		{"a line break in the id", `{"id":"a\nb","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "", "no control characters"},
		{"an unknown event", `{"id":"a","event_type":"refund","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "",
			"event_type: must be one of payment_complete, refund_complete, order_create, order_cancel, pos_save, order_update"},
		{"a date alone", `{"id":"a","event_type":"pos_save","timestamp":"2024-01-01","data":{}}`, "", "timestamp: must be a time by RFC 3339"},
		{"an amount that is none", valid(`{"amount":"12"}`), "", "data.amount: must be a number, is a string"},
		{"a huge amount", valid(`{"amount":1e999999}`), "", "data.amount: must be a plain number"},
		{"a negative quantity", valid(`{"items":[{"quantity":1},{"quantity":-1}]}`), "", "data.items[1].quantity: must not be negative"},
		{"an item that is none", valid(`{"items":["x"]}`), "", "data.items[0]: must be an object, is a string"},
		{"items that are none", valid(`{"items":{}}`), "", "data.items: must be an array, is an object"},
		{"a phone number as a number", valid(`{"customerPhone":1234567}`), "", "data.customerPhone: must be a string, is a number"},
		{"a currency that is none", valid(`{"currency":"dollar"}`), "", "data.currency: must be three letters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode([]byte(tt.body))
			var syntax *SyntaxError
			var invalid *InvalidError
			switch {
			case tt.syntax != "":
				if !errors.As(err, &syntax) || !strings.Contains(syntax.Reason, tt.syntax) {
					t.Errorf("got %v, want a syntax error with %q", err, tt.syntax)
				}
			case !errors.As(err, &invalid) || !strings.Contains(": "+err.Error(), tt.problems):
				t.Errorf("got %v, want problems %q", err, tt.problems)
			}
		})
	}
}

func TestDecodeTakes(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{}`, `{"amount":null,"customerPhone":null,"items":null}`, `{"customerPhone":"not a number","customerEmail":"none"}`,
		`{"unknown":{"deep":[1,{"x":null}]},"items":[]}`, `{"customerName":"<b>\u0000 \ud83d\ude00 مرحبا"}`,
		`{"customerName":"` + strings.Repeat("x", 10000) + `"}`, `{"amount":-5.00,"currency":"eur"}`,
	} {
		if _, err := Decode([]byte(`{"x":[],"id":"a","event_type":"order_update","timestamp":"2024-01-01T12:00:00+02:00","data":` + data + `}`)); err != nil {
			t.Errorf("%.60s: %v", data, err)
		}
	}
}

// version1Types are the event types of ringup 0.1.0.
var version1Types = []event.Type{event.PaymentComplete, event.OrderCreate, event.POSSave, event.OrderUpdate}

// FuzzDecode: each accepted payload is JSON for other parsers too, and has its required fields. Its event goes through the queue unchanged.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(designSample))
	f.Add([]byte(`{"id":1}`))
	f.Add([]byte(`{"data":{"items":[{"price":1e9}]}}`))
	f.Add([]byte(`{"id":"a\u0062\"","event_type":"pos_save","timestamp":"2024-01-01T12:00:00+02:00","source":null,"data":{"customerName":"\u00e9\\","amount":0,"items":[{},{"name":""}],"x":[1]}}`))
	f.Add([]byte(`{"id":"a","event_type":"refund_complete","timestamp":"2024-01-01T12:00:00Z","data":{"amount":125.50}}`))
	f.Add([]byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"timezone":5}}`))
	for _, offset := range []string{"+24:00", "-24:00", "+23:60", "+24:60"} {
		f.Add([]byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00` + offset + `","data":{}}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Decode(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || e.ID == "" || !e.Type.Known() || e.Extra != "" && !json.Valid([]byte(e.Extra)) {
			t.Errorf("took %q", body)
		}
		raw, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := event.Decode(raw); err != nil || !cmp.Equal(e, again, cmpopts.EquateEmpty()) {
			t.Errorf("of %q read %+v, then %+v, %v", body, e, again, err)
		}
		// Of the types that 0.1.0 knew, its reading is the same.
		if !slices.Contains(version1Types, e.Type) {
			return
		}
		if old, err := event.DecodeVersion1(body); err != nil || !cmp.Equal(e, old, cmpopts.EquateEmpty()) {
			t.Errorf("of %q read %+v, and in version 1 %+v, %v", body, e, old, err)
		}
	})
}

func TestTooManyItems(t *testing.T) {
	t.Parallel()
	of := func(n int) []byte {
		return []byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"items":[{}` + strings.Repeat(",{}", n-1) + `],"orderId":1}}`)
	}
	if e, err := Decode(of(event.MaxItems)); err == nil || strings.Contains(err.Error(), "items") {
		t.Errorf("%v, %v", e, err)
	}
	want := "data.orderId: must be a string, is a number; data.items: must have at most 10000 items"
	if _, err := Decode(of(event.MaxItems + 1)); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(designSample)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
