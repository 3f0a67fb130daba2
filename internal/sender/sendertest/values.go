package sendertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender"
)

// odd are values that have stood where another was expected.
var odd = map[string]any{
	"null": nil, "empty text": "", "a space": " ", "text": "none", "a long text": strings.Repeat("é", 5000), "zero": json.Number("0"), "negative": json.Number("-1"),
	"a float": json.Number("0.1"), "huge": json.Number("1e400"), "true": true, "false": false, "a list": []any{}, "a list of null": []any{nil}, "a list of texts": []any{"a"},
	"an object": map[string]any{}, "half a pair": rawText(`"\ud83d"`), "controls": "a\u0000\u001b[2J\u2028b",
}

// rawText is JSON that is written as it is.
type rawText string

// MarshalJSON implements json.Marshaler.
func (r rawText) MarshalJSON() ([]byte, error) { return []byte(`"half a pair"`), nil }

// form is the body of a form with one member.
func form(payload []byte) []byte { return []byte(url.Values{"payload": {string(payload)}}.Encode()) }

// anyValue puts each odd value into each place of each sample. All of them can be read, and but for the essential places they bring as many events.
func (s *Suite) anyValue(t *testing.T) {
	for _, sample := range s.Samples {
		tree := parsed(t, sample)
		want, err := s.New(key).Decode(s.Delivery(t, sample, key))
		if err != nil {
			continue // a sample of a body that is malformed
		}
		walk(tree, "", func(path string, set func(any)) {
			for name, value := range odd {
				set(value)
				d := s.deliver(sample, written(t, tree), key)
				got, err := s.New(key).Decode(d)
				what := fmt.Sprintf("%s with %s at %s", sample.Name, name, path)
				if fault := Check(got, err); fault != nil {
					t.Errorf("%s: %v", what, fault)
				}
				if s.essential(path) {
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
				} else if len(got.Events) != len(want.Events) {
					t.Errorf("%s: %d events, and not %d: skipped as %q", what, len(got.Events), len(want.Events), got.Skip)
				}
			}
		})
	}
}

// essential reports whether a path, or one that it leads through, is in Essential. There [] stands for every index.
func (s *Suite) essential(path string) bool {
	return slices.ContainsFunc(s.Essential, func(e string) bool {
		return path == e || strings.HasPrefix(e, path+".") || strings.HasPrefix(e, path+"[]")
	})
}

// parsed returns a sample's JSON.
func parsed(t *testing.T, sample Sample) any {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", sample.Name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		t.Fatalf("%s: %v", sample.Name, err)
	}
	return tree
}

func written(t *testing.T, tree any) []byte {
	t.Helper()
	body, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(body, []byte(`"half a pair"`), []byte(`"\ud83d"`))
}

// walk calls visit for each member and element below a value, with a function that replaces it, and puts it back afterwards.
func walk(tree any, path string, visit func(path string, set func(any))) {
	switch tree := tree.(type) {
	case map[string]any:
		for name, before := range tree {
			at := strings.TrimPrefix(path+"."+name, ".")
			visit(at, func(v any) { tree[name] = v })
			tree[name] = before
			walk(before, at, visit)
		}
	case []any:
		for i, before := range tree {
			visit(path+"[]", func(v any) { tree[i] = v })
			tree[i] = before
			walk(before, path+"[]", visit)
		}
	}
}

// cut: half a body is malformed, and never half an order.
func (s *Suite) cut(t *testing.T) {
	for _, sample := range s.Samples {
		if sample.Form {
			continue // half of a form is a form
		}
		body := s.Delivery(t, sample, key).Body
		body = bytes.TrimSpace(body)
		for i := range 32 {
			reading, err := s.New(key).Decode(s.deliver(sample, body[:i*len(body)/32], key))
			var malformed *sender.MalformedError
			if !errors.As(err, &malformed) && (reading == nil || reading.Skip == "") {
				t.Errorf("%s, %d of %d bytes: %v", sample.Name, i*len(body)/32, len(body), err)
			}
		}
	}
}

// Fuzz checks that any body can be read.
func Fuzz(f *testing.F, s Suite) {
	f.Helper()
	for _, sample := range s.Samples {
		f.Add(s.Delivery(f, sample, key).Body, 0)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		sample := s.Samples[uint(n)%uint(len(s.Samples))]
		d := &sender.Delivery{Header: sample.Header, Body: body, At: Now}
		if err := Check(s.New(key).Decode(d)); err != nil {
			t.Error(err)
		}
	})
}

// Text returns a reading as text, for people and for comparing.
func Text(reading *sender.Reading, err error) string {
	if err != nil {
		return "malformed: " + err.Error() + "\n"
	}
	var b strings.Builder
	line := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" && text != "false" {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	line("topic", reading.Topic)
	line("account", reading.Account)
	line("skip", reading.Skip)
	line("note", reading.Note)
	if reading.Reply.Status != 0 {
		line("reply", fmt.Sprintf("%d %s %s", reading.Reply.Status, reading.Reply.MediaType, reading.Reply.Body))
	}
	for _, e := range reading.Events {
		b.WriteString("\n")
		line("id", e.ID)
		line("type", e.Type)
		line("at", e.At.Format(time.RFC3339))
		line("source", e.Source)
		line("transaction", e.Sale.TransactionID)
		line("order", e.Sale.OrderID)
		line("order name", e.Sale.OrderName)
		line("status", e.Sale.Status)
		line("currency", e.Sale.Currency)
		line("subtotal", e.Sale.Subtotal)
		line("discount", e.Sale.Discount)
		line("tax", e.Sale.Tax)
		line("tax included", e.Sale.TaxIncluded)
		line("tip", e.Sale.Tip)
		line("total", e.Sale.Total)
		line("refunded", e.Sale.Refunded)
		line("payment", strings.TrimSpace(e.Sale.Payment.Brand+" "+e.Sale.Payment.LastFour))
		line("receipt", e.Sale.ReceiptURL)
		line("place", e.Sale.Place)
		line("test", e.Sale.Test)
		line("customer", e.Customer.Name)
		line("phone", e.Customer.Phone)
		line("region", e.Customer.Region)
		line("email", e.Customer.Email)
		line("locale", e.Customer.Locale)
		line("time zone", e.Customer.TimeZone)
		for _, item := range e.Items {
			line("item", fmt.Sprintf("%s x %s at %s = %s %v", item.Quantity, item.Name, item.UnitPrice, item.Total, item.Options))
		}
		line("extra", e.Extra)
		line("lookup", e.Lookup)
	}
	return b.String()
}
