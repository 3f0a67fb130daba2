package generic

import (
	"encoding/json"
	"errors"
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
	if w.ID != "webhook_12345" || w.EventType != event.POSSave || w.EventType.Priority() != 3 || w.Source != "pos_system" ||
		w.Timestamp.Year() != 2024 || w.Data.Amount != "125.50" || w.Data.CustomerPhone != "+1234567890" ||
		w.Data.CustomerEmail != "john.doe@example.com" || len(w.Data.Items) != 1 || w.Data.Items[0].Quantity != "2" {
		t.Errorf("decoded %+v", w)
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
			"event_type: must be one of payment_complete, order_create, pos_save, order_update"},
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

// FuzzDecode: whatever is taken is JSON for everybody else too, and has its required fields.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(designSample))
	f.Add([]byte(`{"id":1}`))
	f.Add([]byte(`{"data":{"items":[{"price":1e9}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := Decode(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || w.ID == "" || w.EventType.Priority() == 0 {
			t.Errorf("took %q", body)
		}
		var again Webhook
		if err := Reread(body, &again); err != nil || !cmp.Equal(w, &again, cmpopts.EquateEmpty()) {
			t.Errorf("of %q read %+v, then %+v, %v", body, w, &again, err)
		}
	})
}

// TestReread: what was stored reads as it did when it was taken.
func TestReread(t *testing.T) {
	t.Parallel()
	reread := Webhook{}
	for _, body := range []string{
		designSample, `{"id":"a","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`,
		`{"id":"a\u0062\"","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","source":null,"data":{"customerName":"\u00e9\\","amount":0,"items":[{},{"name":""}],"x":[1]}}`,
		strings.Replace(designSample, `"ready"`, `"ready","notes":"`+strings.Repeat("n", maxShared)+`"`, 1),
	} {
		w, err := Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := Reread([]byte(body), &reread); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, &reread, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	if err := Reread([]byte(`{"id":1}`), &reread); err == nil {
		t.Error("took what is no webhook")
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

func BenchmarkReread(b *testing.B) {
	body := []byte(designSample)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var w Webhook
	for b.Loop() {
		if err := Reread(body, &w); err != nil {
			b.Fatal(err)
		}
	}
}
