package generic

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/event"
)

// designSample is the payload that the first release of ringup's predecessor documents.
const designSample = `{"id": "webhook_12345", "event_type": "pos_save", "timestamp": "2024-01-01T12:00:00Z", "source": "pos_system",
 "data": {"transactionId": "TXN_67890", "amount": 125.50, "currency": "USD", "customerName": "John Doe",
          "customerPhone": "+1234567890", "customerEmail": "john.doe@example.com",
          "items": [{"name": "Espresso", "quantity": 2, "price": 3.25}], "orderId": "ORD_1", "status": "ready"}}`

// now is when the webhooks of these tests are accepted.
var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestDecodeSample(t *testing.T) {
	t.Parallel()
	got, notes, err := Decode([]byte(designSample), time.UTC, now)
	want := event.Sample(event.POSSave)
	want.Items, want.Items[0].Options = want.Items[:1], nil
	want.Sale = event.Sale{TransactionID: want.Sale.TransactionID, OrderID: want.Sale.OrderID, Status: want.Sale.Status, Currency: want.Sale.Currency, Total: want.Sale.Total}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || notes != nil {
		t.Errorf("%v %v\n%s", err, notes, diff)
	}
}

// valid is a webhook with some data.
func valid(data string) string {
	return `{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":` + data + `}`
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
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
		{"wrong types", `{"id":{},"event_type":true,"timestamp":null,"data":[]}`, "",
			"id: must be a string, is an object; event_type: must be a string, is a boolean; timestamp: must be a string, is null; data: must be an object, is an array"},
		{"an empty id", `{"id":"","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "", "id: must have 1 to 200 bytes"},
		{"a line break in the id", `{"id":"a\nb","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "", "no control characters"},
		{"an unknown event", `{"id":"a","event_type":"refund","timestamp":"2024-01-01T12:00:00Z","data":{}}`, "",
			"event_type: must be one of payment_complete, refund_complete, order_create, order_cancel, pos_save, order_update"},
		{"a number for an event", `{"id":"a","event_type":1,"timestamp":"2024-01-01T12:00:00Z","data":{}}`, "", "event_type: must be one of"},
		{"a time that is an array", `{"id":"a","event_type":"pos_save","timestamp":[2024,1,1],"data":{}}`, "", "timestamp: must be a string, is an array"},
		{"an amount that is an object", valid(`{"amount":{"value":12}}`), "", "data.amount: must be a number, is an object"},
		{"a quantity that is an array", valid(`{"items":[{"quantity":1},{"quantity":[]}]}`), "", "data.items[1].quantity: must be a number, is an array"},
		{"an item that is none", valid(`{"items":["x"]}`), "", "data.items[0]: must be an object, is a string"},
		{"items that are none", valid(`{"items":{}}`), "", "data.items: must be an array, is an object"},
		{"a phone number that is an array", valid(`{"customerPhone":["1234567"]}`), "", "data.customerPhone: must be a string, is an array"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Decode([]byte(tt.body), time.UTC, now)
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
		if _, _, err := Decode([]byte(`{"x":[],"id":"a","event_type":"order_update","timestamp":"2024-01-01T12:00:00+02:00","data":`+data+`}`), time.UTC, now); err != nil {
			t.Errorf("%.60s: %v", data, err)
		}
	}
}

// FuzzDecode: each accepted payload is JSON for other parsers too, and has its required fields. Its event goes through the queue unchanged.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(designSample))
	f.Add([]byte(`{"id":1}`))
	f.Add([]byte(`{"data":{"items":[{"price":1e9}]}}`))
	for _, kind := range event.Types {
		f.Add(Sample(kind))
	}
	f.Add([]byte("\ufeff" + valid(`{"customerName":"Jo \ud83d","amount":"1.25E7","currency":"dollar","timezone":"+09:00","items":[{"quantity":-0.5,"options":[1,"x",{}]}]}`)))
	f.Add([]byte(valid(`{"\ud83d":1,"payment":{"brand":true,"lastFour":424242},"test":"yes","tip":false,"refunded":1e-41,"customerRegion":"uk"}`)))
	f.Add([]byte(`{"id":"a\u0062\"","event_type":"pos_save","timestamp":"2024-01-01T12:00:00+02:00","source":null,"data":{"customerName":"\u00e9\\","amount":0,"items":[{},{"name":""}],"x":[1]}}`))
	f.Add([]byte(`{"id":"a","event_type":"refund_complete","timestamp":"2024-01-01T12:00:00Z","data":{"amount":125.50}}`))
	f.Add([]byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"timezone":5}}`))
	for _, offset := range []string{"+24:00", "-24:00", "+23:60", "+24:60"} {
		f.Add([]byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00` + offset + `","data":{}}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, notes, err := Decode(body, time.UTC, now)
		if err != nil {
			return
		}
		if len(notes) > maxProblems {
			t.Errorf("%d notes", len(notes))
		}
		if !json.Valid(TrimMark(body)) || e.ID == "" || !e.Type.Known() || e.Extra != "" && !json.Valid([]byte(e.Extra)) {
			t.Errorf("took %q", body)
		}
		raw, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := event.Decode(raw); err != nil || !cmp.Equal(e, again, cmpopts.EquateEmpty()) {
			t.Errorf("of %q read %+v, then %+v, %v", body, e, again, err)
		}
	})
}

func TestTooManyItems(t *testing.T) {
	t.Parallel()
	of := func(n int) []byte {
		return []byte(`{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"items":[{}` + strings.Repeat(",{}", n-1) + `],"orderId":[]}}`)
	}
	if e, _, err := Decode(of(event.MaxItems), time.UTC, now); err == nil || strings.Contains(err.Error(), "items") {
		t.Errorf("%v, %v", e, err)
	}
	want := "data.orderId: must be a string, is an array; data.items: must have at most 10000 items"
	if _, _, err := Decode(of(event.MaxItems+1), time.UTC, now); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(designSample)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(body, time.UTC, now); err != nil {
			b.Fatal(err)
		}
	}
}
