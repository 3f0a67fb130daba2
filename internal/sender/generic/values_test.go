package generic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
)

// TestValues: what becomes of the values that tills write, and which are left out.
func TestValues(t *testing.T) {
	t.Parallel()
	one := func(item event.Item) func(*event.Event) {
		return func(e *event.Event) { e.Items = []event.Item{item} }
	}
	nothing := func(*event.Event) {}
	typed := func(name, text string) func(*event.Event) {
		return func(e *event.Event) { e.Extra = `{"` + name + `":"` + text + `"}` }
	}
	for data, tt := range map[string]struct {
		want  func(*event.Event)
		notes string // their paths
	}{
		// Numbers.
		`{"amount":-20.00}`:                          {func(e *event.Event) { e.Sale.Total = "-20.00" }, ""},
		`{"amount":-0}`:                              {func(e *event.Event) { e.Sale.Total = "0" }, ""},
		`{"amount":1.25E7}`:                          {func(e *event.Event) { e.Sale.Total = "12500000" }, ""},
		`{"amount":1E+2}`:                            {func(e *event.Event) { e.Sale.Total = "100" }, ""},
		`{"amount":1e-3}`:                            {func(e *event.Event) { e.Sale.Total = "0.001" }, ""},
		`{"amount":0.30000000000000004}`:             {func(e *event.Event) { e.Sale.Total = "0.30000000000000004" }, ""},
		`{"amount":"12.50"}`:                         {func(e *event.Event) { e.Sale.Total = "12.50" }, ""},
		`{"amount":""}`:                              {nothing, ""},
		`{"amount":false}`:                           {nothing, ""},
		`{"amount":null}`:                            {nothing, ""},
		`{"amount":true}`:                            {typed("amount", "true"), "data.amount"},
		`{"amount":"twelve"}`:                        {typed("amount", "twelve"), "data.amount"},
		`{"amount":"1,50"}`:                          {func(e *event.Event) { e.Sale.Total = "1.50" }, ""},
		`{"amount":"1,234"}`:                         {typed("amount", "1,234"), "data.amount"},
		`{"amount":1e999999}`:                        {typed("amount", "1e999999"), "data.amount"},
		`{"items":[{"quantity":-1,"price":20}]}`:     {one(event.Item{Quantity: "-1", UnitPrice: "20"}), ""},
		`{"items":[{"quantity":0.5,"price":"1e1"}]}`: {one(event.Item{Quantity: "0.5", UnitPrice: "10"}), ""},
		`{"items":[{"quantity":"two","price":true,"total":{}}]}`: {one(event.Item{}),
			"data.items[0].quantity data.items[0].price data.items[0].total"},
		// Texts.
		`{"orderId":1042,"customerPhone":15551234567}`:      {func(e *event.Event) { e.Sale.OrderID, e.Customer.Phone = "1042", "15551234567" }, ""},
		`{"customerPhone":1.5551234567E10}`:                 {func(e *event.Event) { e.Customer.Phone = "15551234567" }, ""},
		`{"customerPhone":15551234567.0}`:                   {func(e *event.Event) { e.Customer.Phone = "15551234567" }, ""},
		`{"orderId":10.42,"status":1e99}`:                   {func(e *event.Event) { e.Sale.OrderID, e.Sale.Status = "10.42", "1e99" }, ""},
		`{"customerName":false,"customerEmail":true}`:       {typed("customerEmail", "true"), "data.customerEmail"},
		`{"customerName":"Jo \ud83d"}`:                      {func(e *event.Event) { e.Customer.Name = "Jo \ufffd" }, ""},
		`{"customerName":"\ude00\ud83d\ude00"}`:             {func(e *event.Event) { e.Customer.Name = "\ufffd😀" }, ""},
		`{"note\ud83d":"\ud83d"}`:                           {func(e *event.Event) { e.Extra = `{"note\ud83d":"\ud83d"}` }, ""},
		`{"discount":"SUMMER10","x":1,"tax":"incl.\u0000"}`: {func(e *event.Event) { e.Extra = `{"discount":"SUMMER10","tax":"incl.\u0000","x":1}` }, "data.discount data.tax"},
		// Names.
		`{"customerName":"O&#039;Brien","items":[{"name":"Fish &amp; Chips"}]}`: {func(e *event.Event) {
			e.Customer.Name, e.Items = "O'Brien", []event.Item{{Name: "Fish & Chips"}}
		}, ""},
		`{"customerName":"undefined undefined","items":[{"name":"null"}]}`: {one(event.Item{}), ""},
		`{"customerName":"Guest"}`:         {nothing, ""},
		`{"customerName":"Jennifer Null"}`: {func(e *event.Event) { e.Customer.Name = "Jennifer Null" }, ""},
		// Currencies, countries, time zones.
		`{"currency":"usd "}`:                {func(e *event.Event) { e.Sale.Currency = "USD" }, ""},
		`{"currency":""}`:                    {nothing, ""},
		`{"currency":"dollar"}`:              {typed("currency", "dollar"), "data.currency"},
		`{"currency":840}`:                   {typed("currency", "840"), "data.currency"},
		`{"currency":"\ud83d"}`:              {typed("currency", "\ufffd"), "data.currency"},
		`{"customerRegion":"de"}`:            {func(e *event.Event) { e.Customer.Region = "DE" }, ""},
		`{"customerRegion":"Oz"}`:            {typed("customerRegion", "Oz"), "data.customerRegion"},
		`{"timezone":"asia/tokyo"}`:          {func(e *event.Event) { e.Customer.TimeZone = "Asia/Tokyo" }, ""},
		`{"timezone":"Tokyo Standard Time"}`: {func(e *event.Event) { e.Customer.TimeZone = "Asia/Tokyo" }, ""},
		`{"timezone":"+09:00"}`:              {func(e *event.Event) { e.Customer.TimeZone = "Etc/GMT-9" }, ""},
		`{"timezone":"Middle-earth"}`:        {typed("timezone", "Middle-earth"), "data.timezone"},
		`{"timezone":{"offset":9}}`:          {nothing, "data.timezone"},
		// The fields of a receipt. Tills had some of them before they had a meaning here.
		`{"subtotal":100,"discount":-5,"tax":"8.25","tip":2,"refunded":0,"receiptUrl":"https://r.example.com/1","place":"Table 7","orderName":"#1001"}`: {func(e *event.Event) {
			e.Sale = event.Sale{Subtotal: "100", Discount: "-5", Tax: "8.25", Tip: "2", Refunded: "0", ReceiptURL: "https://r.example.com/1", Place: "Table 7", OrderName: "#1001"}
		}, ""},
		`{"payment":{"brand":"Visa","lastFour":4242}}`:         {func(e *event.Event) { e.Sale.Payment = event.Payment{Brand: "Visa", LastFour: "4242"} }, ""},
		`{"payment":{"lastFour":"4111 1111 1111 1234","x":1}}`: {func(e *event.Event) { e.Sale.Payment.LastFour = "1234" }, ""},
		`{"payment":"cash"}`:                                   {func(e *event.Event) { e.Sale.Payment.Brand = "cash" }, ""},
		`{"payment":{"brand":[],"lastFour":"none"}}`:           {nothing, "data.payment.brand data.payment.lastFour"},
		`{"payment":[],"tax":[{"rate":7}],"discount":{"code":"X"},"place":{},"receiptUrl":[],"tip":true}`: {typed("tip", "true"),
			"data.discount data.tax data.tip data.payment data.receiptUrl data.place"},
		`{"tax":"8.25","taxIncluded":true}`: {func(e *event.Event) { e.Sale.Tax, e.Sale.TaxIncluded = "8.25", true }, ""},
		`{"taxIncluded":"Yes"}`:             {func(e *event.Event) { e.Sale.TaxIncluded = true }, ""},
		`{"taxIncluded":0}`:                 {nothing, ""},
		`{"taxIncluded":null}`:              {nothing, ""},
		`{"taxIncluded":"gross"}`:           {typed("taxIncluded", "gross"), "data.taxIncluded"},
		`{"taxIncluded":[true]}`:            {nothing, "data.taxIncluded"},
		`{"test":true}`:                     {func(e *event.Event) { e.Sale.Test = true }, ""},
		`{"test":"Yes"}`:                    {func(e *event.Event) { e.Sale.Test = true }, ""},
		`{"test":1}`:                        {func(e *event.Event) { e.Sale.Test = true }, ""},
		`{"test":"0"}`:                      {nothing, ""},
		`{"test":"perhaps"}`:                {typed("test", "perhaps"), "data.test"},
		`{"test":{}}`:                       {nothing, "data.test"},
		`{"items":[{"name":"Latte","options":["oat milk",2,null,false,"",{"name":"x"}],"total":-9}]}`: {one(event.Item{Name: "Latte", Options: []string{"oat milk", "2"}, Total: "-9"}),
			"data.items[0].options"},
		`{"items":[{"options":"oat milk"}]}`:        {one(event.Item{Options: []string{"oat milk"}}), ""},
		`{"items":[{"options":{}},{"options":[]}]}`: {func(e *event.Event) { e.Items = make([]event.Item, 2) }, "data.items[0].options"},
	} {
		want := &event.Event{ID: "a", Store: "default", Sender: "pos", Type: event.POSSave, At: time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)}
		tt.want(want)
		got, notes, err := Decode([]byte(valid(data)), time.UTC, now)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", data, err, diff)
		}
		var paths []string
		for _, n := range notes {
			paths = append(paths, n.Path)
			if n.Message == "" || strings.Contains(n.Message, "perhaps") || strings.Contains(n.Message, "dollar") {
				t.Errorf("%s: the note of %s is %q", data, n.Path, n.Message)
			}
		}
		if got := strings.Join(paths, " "); got != tt.notes {
			t.Errorf("%s: notes of %q, want %q", data, got, tt.notes)
		}
	}
}

// TestFieldsAsTyped: templates have what was left out, in every field of the data.
func TestFieldsAsTyped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"amount", "subtotal", "discount", "tax", "tip", "refunded", "currency", "customerRegion", "timezone", "taxIncluded", "test"}).Draw(t, "name")
		text := rapid.StringMatching(`see [\pL"\\<&]{1,20}`).Draw(t, "text")
		data, err := json.Marshal(map[string]any{name: text, "points": 7})
		if err != nil {
			t.Fatal(err)
		}
		e, notes, err := Decode([]byte(valid(string(data))), time.UTC, now)
		if err != nil || len(notes) != 1 || e.Field(name) != text || e.Field("points") != "7" {
			t.Fatalf("%s: %q, %v, %v", data, e.Field(name), notes, err)
		}
	})
}

// TestRefunds: the amount of a refund is what was paid back, unless the payload says that apart.
func TestRefunds(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]event.Sale{
		`{"amount":20}`:                   {Refunded: "20"},
		`{"amount":125.50,"refunded":20}`: {Total: "125.50", Refunded: "20"},
		`{"refunded":20}`:                 {Refunded: "20"},
		`{}`:                              {},
	} {
		got, _, err := Decode([]byte(strings.Replace(valid(data), "pos_save", "refund_complete", 1)), time.UTC, now)
		if err != nil || !cmp.Equal(want, got.Sale) {
			t.Errorf("%s: %v, %v", data, got, err)
		}
		if amount := got.Field("amount"); amount != max(want.Total, map[bool]string{true: want.Refunded}[want.Total == ""]) {
			t.Errorf("%s: templates have the amount %q", data, amount)
		}
	}
}

// TestTimestamps: a time without a zone is the shop's; the time of acceptance stands in for one that cannot be read.
func TestTimestamps(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]string{
		`"2026-07-25T12:00:00"`: "2026-07-25T12:00:00+02:00", `"2026-11-25t12:00:60z"`: "2026-11-25T12:01:00Z", `1704110400`: "2024-01-01T12:00:00Z",
		`"2024-01-01T5:00:00Z"`: "", `"2024-01-01T12:00:00+24:00"`: "", `"2024-01-01"`: "", `""`: "", `"\ud83d"`: "", `-1.5e3`: "",
	} {
		e, notes, err := Decode([]byte(strings.Replace(valid(`{}`), `"2024-01-01T12:00:00Z"`, written, 1)), berlin, now)
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		if want == "" {
			if !e.At.Equal(now) || len(notes) != 1 || notes[0].Path != "timestamp" {
				t.Errorf("%s: %s, %v", written, e.At, notes)
			}
		} else if got := e.At.Format(time.RFC3339Nano); got != want || notes != nil {
			t.Errorf("%s: %s, %v; want %s", written, got, notes, want)
		}
	}
}

// optional are the fields that may be missing and have one value.
var optional = []string{
	"source", "data.transactionId", "data.amount", "data.currency", "data.customerName", "data.customerPhone", "data.customerRegion", "data.customerEmail", "data.orderId",
	"data.orderName", "data.status", "data.locale", "data.timezone", "data.subtotal", "data.discount", "data.tax", "data.taxIncluded", "data.tip", "data.refunded", "data.payment", "data.payment.brand",
	"data.payment.lastFour", "data.receiptUrl", "data.place", "data.test", "data.items.name", "data.items.options", "data.items.quantity", "data.items.price", "data.items.total",
	"data.something",
}

// in returns a webhook with a value in an optional field.
func in(field, written string) string {
	_, data, within := strings.Cut(field, ".")
	inner, name, deeper := strings.Cut(data, ".")
	switch {
	case !within:
		return strings.Replace(valid(`{}`), `"data"`, `"`+field+`":`+written+`,"data"`, 1)
	case !deeper:
		return valid(`{"` + data + `":` + written + `}`)
	case inner == "items":
		return valid(`{"items":[{"` + name + `":` + written + `}]}`)
	}
	return valid(`{"` + inner + `":{"` + name + `":` + written + `}}`)
}

// TestValuesNeverRefuse: no text, number, boolean or null in an optional field costs a customer the message. The event of it goes through the queue.
func TestValuesNeverRefuse(t *testing.T) {
	t.Parallel()
	text := rapid.Custom(func(t *rapid.T) string {
		quoted, err := json.Marshal(rapid.String().Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(string(quoted), "a", rapid.SampledFrom([]string{"a", `\ud83d`, `\udc00`, `\u0000`, `&amp;`}).Draw(t, "for a"), 1)
	})
	value := rapid.OneOf(text, rapid.StringMatching(`-?(0|[1-9][0-9]{0,50})(\.[0-9]{1,50})?([eE][+-]?[0-9]{1,7})?`), rapid.SampledFrom([]string{
		"true", "false", "null", `""`, `" "`, `"null"`, `"dollar"`, `"-1"`, `"1e400"`, `"0x10"`, `"+09:00"`, `"Local"`, `"NaN"`,
	}))
	rapid.Check(t, func(t *rapid.T) {
		field, written := rapid.SampledFrom(optional).Draw(t, "field"), value.Draw(t, "value")
		e, notes, err := Decode([]byte(in(field, written)), time.UTC, now)
		if err != nil {
			t.Fatalf("%s in %s: %v", written, field, err)
		}
		if len(notes) > 1 {
			t.Fatalf("%s in %s: %v", written, field, notes)
		}
		raw, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := event.Decode(raw); err != nil || !cmp.Equal(e, again, cmpopts.EquateEmpty()) {
			t.Fatalf("%s in %s: %+v, then %+v, %v", written, field, e, again, err)
		}
	})
}

// TestTypesRefuse: an array or an object in a field that 0.1.0 knew is a mistake of a program; in one that came later it is noted.
func TestTypesRefuse(t *testing.T) {
	t.Parallel()
	first := []string{"source", "data.transactionId", "data.amount", "data.currency", "data.customerName", "data.customerPhone", "data.customerEmail", "data.orderId", "data.status",
		"data.locale", "data.items.name", "data.items.quantity", "data.items.price"}
	for _, field := range optional {
		for _, written := range []string{`[1]`, `{"x":1}`} {
			if field == "data.something" || strings.HasSuffix(field, "options") && written == `[1]` || strings.HasSuffix(field, "payment") && written != `[1]` {
				continue
			}
			_, notes, err := Decode([]byte(in(field, written)), time.UTC, now)
			if refused := slices.Contains(first, field); refused != (err != nil) || !refused && len(notes) != 1 {
				t.Errorf("%s in %s: %v, %v", written, field, notes, err)
			}
		}
	}
}

// TestSyntax: what is no JSON in UTF-8 is refused, with the place.
func TestSyntax(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		valid("{\"customerName\":\"\xff\"}"):             fmt.Sprintf("it is not valid UTF-8, at byte %d", strings.Index(valid("{\"customerName\":\"\xff\"}"), "\xff")),
		"\ufeff" + valid("{\"customerName\":\"\xff\"}"):  fmt.Sprintf("it is not valid UTF-8, at byte %d", 3+strings.Index(valid("{\"customerName\":\"\xff\"}"), "\xff")),
		"\xed\xa0\xbd" + valid(`{}`):                     "it is not valid UTF-8, at byte 0", // half a surrogate pair in bytes
		"\ufeff\ufeff" + valid(`{}`):                     "unexpected character, at byte 3",
		"\ufeff":                                         "it is empty",
		valid(`{"a":1,"a":2}`):                           "a name stands twice in one object",
		valid(`{"payment":{"brand":1,"brand":2}}`):       "a name stands twice in one object",
		valid(`{"items":[{"options":[],"options":[]}]}`): "a name stands twice in one object",
		valid(`{"customerName":"\ud83d`):                 "it ends too early",
		valid(`{"customerName":"\ud8"}`):                 "unexpected character",
	} {
		if _, _, err := Decode([]byte(body), time.UTC, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
	for _, body := range []string{"\ufeff" + valid(`{}`), "\ufeff \n" + valid(`{"customerName":"\ud83d"}`)} {
		if _, _, err := Decode([]byte(body), time.UTC, now); err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if filled, err := WithDefaults([]byte(body), "b", now); err != nil {
			t.Errorf("%q: %v", body, err)
		} else if _, _, err := Decode(filled, time.UTC, now); err != nil {
			t.Errorf("%q: %v", filled, err)
		}
	}
}

// TestBounds: a payload that is wrong everywhere has an answer of bounded length.
func TestBounds(t *testing.T) {
	t.Parallel()
	items := strings.Repeat(`{"quantity":"x","price":"y"},`, 1000)
	_, notes, err := Decode([]byte(valid(`{"items":[`+strings.TrimSuffix(items, ",")+`]}`)), time.UTC, now)
	if err != nil || len(notes) != maxProblems {
		t.Errorf("%d notes, %v", len(notes), err)
	}
	many := strings.TrimSuffix(strings.Repeat(`"x",`, event.MaxOptions+1), ",")
	e, notes, err := Decode([]byte(valid(`{"items":[{"options":[`+many+`]}]}`)), time.UTC, now)
	if err != nil || len(e.Items[0].Options) != event.MaxOptions || len(notes) != 1 || notes[0].Path != "data.items[0].options" {
		t.Errorf("%v, %v", notes, err)
	}
}
