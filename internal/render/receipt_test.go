package render

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// receiptOf is what an e-mail's text has behind its first paragraph.
func receiptOf(t *testing.T, r *Renderer, e *event.Event) string {
	t.Helper()
	_, rest, _ := strings.Cut(rendered(t, r, message.Email, message.Customer, e).Text, "\n\n")
	return rest
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, shop(func(s *store.Store) {
		s.TimeZone = "America/New_York"
		s.Brand = store.Brand{Address: "1 Main St, Springfield", TaxNumber: "US 12", Support: "+1 202 555 0100"}
	}))
	e := &event.Event{Type: event.POSSave, Sender: event.SenderPOS, At: time.Date(2024, 7, 1, 12, 30, 0, 0, time.UTC),
		Customer: event.Customer{Name: "John Doe"},
		Sale: event.Sale{OrderID: "820982911946154500", OrderName: "#1001", TransactionID: "TX_1", Currency: "USD", Subtotal: "12.50", Discount: "1.25", Tax: "0.90", Tip: "2", Total: "14.15",
			Payment: event.Payment{Brand: "Visa", LastFour: "4242"}, ReceiptURL: "https://till.example.com/r/1?a=b", Place: "Table 7", Status: "paid"},
		Items: []event.Item{{Name: "Espresso", Options: []string{"double", "", "oat milk"}, Quantity: "2", UnitPrice: "3.25"}, {Name: "Ham", Quantity: "0.5", UnitPrice: "12", Total: "6.00"},
			{Quantity: "1"}, {Name: "Water", Quantity: "3"}}}
	want := `- Espresso (double, oat milk): 2 × $3.25 = $6.50
- Ham: 0.5 × $12.00 = $6.00
- 1 × Item
- 3 × Water

Subtotal: $12.50
Discount: -$1.25
Tax: $0.90
Tip: $2.00
Total: $14.15
Payment method: Visa ending in 4242

View receipt: https://till.example.com/r/1?a=b

Order: #1001
Order number: 820982911946154500
Status: paid
Date: Jul 1, 2024, 8:30 AM
Place: Table 7
Reference: TX_1

Luna Coffee
1 Main St, Springfield
Tax number: US 12
Questions: +1 202 555 0100`
	if got := strings.ReplaceAll(receiptOf(t, r, e), "\u202f", " "); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	e.Customer.TimeZone, e.Sale.Payment = "Asia/Tokyo", event.Payment{Brand: "CASH"}
	if got := receiptOf(t, r, e); !strings.Contains(got, "Date: Jul 1, 2024, 9:30") || !strings.Contains(got, "Payment method: cash\n") {
		t.Error(got)
	}
	for brand, want := range map[string]string{"AMERICAN_EXPRESS": "American Express", "apple_pay": "Apple Pay", "VISA": "VISA", "PayPal": "PayPal", "CARD_PRESENT": "card"} {
		e.Sale.Payment = event.Payment{Brand: brand}
		if got := receiptOf(t, r, e); !strings.Contains(got, "Payment method: "+want+"\n") {
			t.Errorf("%s: %s", brand, got)
		}
	}
	e.Sale.Payment = event.Payment{LastFour: "4242 4242 4242 4242"}
	if got := receiptOf(t, r, e); !strings.Contains(got, "Payment method: card ending in 4242\n") || strings.Contains(got, "4242 ") {
		t.Error(got)
	}
}

// TestTaxIncluded: tax that the prices have in them is no part of the sum: it is below the total, or, where nothing but a refund is shown, below that.
func TestTaxIncluded(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	items := []event.Item{{Name: "Mug", Quantity: "1", UnitPrice: "20"}}
	for name, tt := range map[string]struct {
		kind       event.Type
		sale       event.Sale
		email, not string
	}{
		"a sale":             {event.POSSave, event.Sale{Subtotal: "20", Tax: "3.19", TaxIncluded: true, Tip: "2", Total: "22"}, "Subtotal: $20.00\nTip: $2.00\nTotal: $22.00\nTax included: $3.19\n", "\nTax:"},
		"prices without it":  {event.POSSave, event.Sale{Subtotal: "20", Tax: "1.50", Total: "21.50"}, "Subtotal: $20.00\nTax: $1.50\nTotal: $21.50\n", "included"},
		"none":               {event.POSSave, event.Sale{Tax: "0.00", TaxIncluded: true, Total: "20"}, "Total: $20.00\n", "Tax"},
		"no figure":          {event.POSSave, event.Sale{TaxIncluded: true, Total: "20"}, "Total: $20.00\n", "Tax"},
		"no total":           {event.POSSave, event.Sale{Tax: "3.19", TaxIncluded: true}, "$20.00\n\nTax included: $3.19\n", "Total"},
		"a refund":           {event.RefundComplete, event.Sale{Tax: "3.19", TaxIncluded: true, Refunded: "20"}, "Refund: $20.00\nTax included: $3.19\n", "Total"},
		"a negative total":   {event.POSSave, event.Sale{Tax: "-3.19", TaxIncluded: true, Total: "-20"}, "Refund: $20.00\nTax included: $3.19\n", "Total"},
		"a refund of a part": {event.RefundComplete, event.Sale{Tax: "3.19", TaxIncluded: true, Refunded: "5", Total: "20"}, "Total: $20.00\nTax included: $3.19\nRefund: $5.00\n", "\nTax:"},
		"a void":             {event.PaymentComplete, event.Sale{Status: "voided", Tax: "-3.19", TaxIncluded: true, Total: "-20"}, "Total: $20.00\nTax included: $3.19\n", "\nTax:"},
	} {
		tt.sale.Currency = "USD"
		e := &event.Event{Type: tt.kind, Sender: event.SenderPOS, Sale: tt.sale, Items: items}
		mail := rendered(t, r, message.Email, message.Customer, e)
		if !strings.Contains(mail.Text, tt.email) || strings.Contains(mail.Text, tt.not) {
			t.Errorf("%s: got\n%s\nwant %q, without %q", name, mail.Text, tt.email, tt.not)
		}
		shown := strings.Contains(tt.email, "Tax included")
		at := func(text, what string) int { return strings.Index(text, what) }
		for _, text := range []string{textOf(mail.HTML), rendered(t, r, message.WhatsApp, message.Customer, e).Text} {
			if strings.Contains(text, "Tax included") != shown || shown && strings.Count(text, "$3.19") != 1 {
				t.Errorf("%s: %s", name, text)
			}
			for _, above := range []string{"\nTotal", "\n*Total", "\nSubtotal"} {
				if shown && at(text, above) > at(text, "Tax included") {
					t.Errorf("%s: the tax is above the total: %s", name, text)
				}
			}
		}
	}
}

// TestReturns: the figures of money that goes back have no minus, whichever of them the till gave one.
func TestReturns(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for name, tt := range map[string]struct {
		event *event.Event
		want  []string
	}{
		"a negative total": {&event.Event{Type: event.PaymentComplete, Sale: event.Sale{Total: "-20", Tax: "-1.50", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "-1", UnitPrice: "20"}}},
			[]string{"- 1 × Mug: $20.00\n", "Tax: $1.50\n", "Refund: $20.00"}},
		"a negative price": {&event.Event{Type: event.POSSave, Sale: event.Sale{Total: "-20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "1", UnitPrice: "-20", Total: "-20"}}},
			[]string{"- 1 × Mug: $20.00\n", "Refund: $20.00"}},
		"a negative total alone": {&event.Event{Type: event.POSSave, Sale: event.Sale{Total: "-20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "1", UnitPrice: "20"}}},
			[]string{"- 1 × Mug: $20.00\n", "Refund: $20.00"}},
		"a discount among the lines": {&event.Event{Type: event.RefundComplete, Sale: event.Sale{Refunded: "20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "1", UnitPrice: "25"},
			{Name: "Coupon", Quantity: "1", UnitPrice: "-5"}}}, []string{"- 1 × Mug: $25.00\n", "- 1 × Coupon: -$5.00\n", "Refund: $20.00"}},
		"a discount among returned lines": {&event.Event{Type: event.RefundComplete, Sale: event.Sale{Refunded: "20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "-2", UnitPrice: "12.50"},
			{Name: "Coupon", Total: "5"}}}, []string{"- Mug: 2 × $12.50 = $25.00\n", "- Coupon: -$5.00\n", "Refund: $20.00"}},
		"a sale with a discount that was refunded": {&event.Event{Type: event.POSSave, Sale: event.Sale{Status: "refunded", Total: "20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", UnitPrice: "25"},
			{Name: "Coupon", UnitPrice: "-5"}}}, []string{"- Mug: $25.00\n", "- Coupon: -$5.00\n", "Total: $20.00"}},
		"a void": {&event.Event{Type: event.PaymentComplete, Sale: event.Sale{Status: "voided", Total: "-20", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "-1", UnitPrice: "20"}}},
			[]string{"- 1 × Mug: $20.00\n", "Total: $20.00"}},
		"an exchange": {&event.Event{Type: event.POSSave, Sale: event.Sale{Total: "-5", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "-1", UnitPrice: "20"}, {Name: "Cup", Quantity: "1", UnitPrice: "15"}}},
			[]string{"- 1 × Mug: $20.00\n", "Cup: -$15.00\n", "Refund: $5.00"}},
		"a refund of a part": {&event.Event{Type: event.RefundComplete, Sale: event.Sale{Total: "125.50", Refunded: "-5.50", Currency: "USD"}, Items: []event.Item{{Name: "Mug", Quantity: "1", UnitPrice: "5.50"}}},
			[]string{"- 1 × Mug: $5.50\n", "Total: $125.50\n", "Refund: $5.50"}},
	} {
		m := rendered(t, r, message.Email, message.Customer, withType(tt.event))
		for _, want := range tt.want {
			if !strings.Contains(m.Text+"\n", want) {
				t.Errorf("%s: there is no %q in\n%s", name, want, m.Text)
			}
		}
	}
}

func withType(e *event.Event) *event.Event {
	e.Sender = event.SenderPOS
	return e
}

// TestTheTotalIsTheSenders: it is shown as it came, also where lines and sums do not agree with it, and no other figure is made up.
func TestTheTotalIsTheSenders(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	e := sample(event.POSSave, func(e *event.Event) { e.Items = []event.Item{{Name: "Espresso", Quantity: "2", UnitPrice: "3.25"}} })
	got := receiptOf(t, r, e)
	if !strings.Contains(got, "Total: $125.50") || strings.Count(got, "$") != 3 {
		t.Errorf("%s", got)
	}
	e.Sale.Total = ""
	if got := receiptOf(t, r, e); strings.Contains(got, "Total") {
		t.Errorf("a total was made up: %s", got)
	}
}

// textOf are the texts of a page: of its elements, without the markup.
func textOf(page string) string {
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.WriteString(z.Token().Data)
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if token.Data != "bdi" {
				b.WriteByte('\n')
			}
			for _, a := range token.Attr {
				if a.Key == "href" || a.Key == "alt" {
					b.WriteString(a.Val + "\n")
				}
			}
		}
	}
}

// TestBothPartsHaveTheSameFacts: each value that one part of an e-mail has is in the other, for every occasion and audience, with any of the values missing.
func TestBothPartsHaveTheSameFacts(t *testing.T) {
	t.Parallel()
	sets := setsOf(t, english)
	rapid.Check(t, func(t *rapid.T) {
		about := rapid.SampledFrom(occasions).Draw(t, "occasion")
		audience := rapid.SampledFrom(message.Audiences).Draw(t, "audience")
		value := func(name, text string) string { return rapid.SampledFrom([]string{text, ""}).Draw(t, name) }
		v := &view{Business: "xBusiness", Locale: "en", Direction: "ltr", Start: "left", End: "right", Source: value("source", "xSource"), CustomerName: value("name", "xName"),
			Order: value("order", "xOrder"), OrderNumber: value("number", "xNumber"), TransactionID: value("transaction", "xTransaction"), Status: value("status", "xStatus"),
			Subtotal: value("subtotal", "xSubtotal"), Discount: value("discount", "xDiscount"), Tax: value("tax", "xTax"), TaxIncluded: value("tax included", "xTaxIncluded"), Tip: value("tip", "xTip"), Amount: value("amount", "xAmount"),
			Refunded: value("refunded", "xRefunded"), Brand: value("brand", "xBrand"), LastFour: value("four", "x4242"), Date: value("date", "xDate"), Place: value("place", "xPlace"),
			Receipt: value("receipt", "https://x.example/Receipt"), More: value("more", "x77"), Address: value("address", "xAddress"), TaxNumber: value("tax number", "xTaxNumber"),
			Support: value("support", "xSupport")}
		if v.Brand != "" || v.LastFour != "" {
			v.Paid = "paid"
		}
		if audience == message.Staff {
			v.Staff = "staff"
		} else {
			v.Unsubscribe = value("unsubscribe", "https://x.example/Unsubscribe")
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "items") {
			n := string(rune('a' + i))
			v.Items = append(v.Items, line{Name: value("item", "xItem"+n), Options: value("options", "xOptions"+n), Quantity: value("quantity", "x1"+n), Price: "x2" + n,
				Each: value("each", "xEach"+n), Total: value("line total", "xLine"+n)})
		}
		s := sets[key{about, message.Email, audience.String(), english}]
		var parts []string
		for _, part := range []string{"txt", "html"} {
			text, err := s.parts[part].execute(v)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, text)
		}
		words := func(text string) map[string]bool {
			all := map[string]bool{}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool {
				return !strings.ContainsRune("xABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwyz0123456789/:.", r)
			}) {
				word = strings.Trim(word, ".:")
				if strings.HasPrefix(word, "x") && len(word) > 1 || strings.HasPrefix(word, "https") {
					all[word] = true
				}
			}
			return all
		}
		text, page := words(parts[0]), words(textOf(parts[1]))
		for word := range text {
			if !page[word] {
				t.Fatalf("%s of the text is not in the HTML:\n%s", word, parts[0])
			}
		}
		for word := range page {
			if !text[word] {
				t.Fatalf("%s of the HTML is not in the text:\n%s", word, parts[0])
			}
		}
		if v.Staff != "" && text["xSource"] != (v.Source != "") {
			t.Fatal("the staff is not told the source")
		}
	})
}

// TestClocks: a message shows the customer's clock, or else the shop's, or else that of the till.
func TestClocks(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 7, 1, 14, 0, 0, 0, time.FixedZone("", 2*60*60))
	for _, tt := range []struct{ customer, store, want string }{
		{"", "", "2:00 PM"}, {"", "UTC", "2:00 PM"}, {"UTC", "Asia/Tokyo", "12:00 PM"}, {"", "Asia/Tokyo", "9:00 PM"}, {"America/New_York", "Asia/Tokyo", "8:00 AM"},
		{"Middle/Earth", "Asia/Tokyo", "9:00 PM"}, {"Local", "../etc/passwd", "2:00 PM"},
	} {
		r := renderer(t, Config{}, shop(func(s *store.Store) { s.TimeZone = tt.store }))
		e := sample(event.POSSave, func(e *event.Event) { e.At, e.Customer.TimeZone = at, tt.customer })
		if got := strings.ReplaceAll(receiptOf(t, r, e), "\u202f", " "); !strings.Contains(got, "Date: Jul 1, 2024, "+tt.want) {
			t.Errorf("%q, %q: %s", tt.customer, tt.store, got)
		}
	}
	r := renderer(t, Config{}, luna)
	if got := receiptOf(t, r, sample(event.POSSave, func(e *event.Event) { e.At = time.Time{} })); strings.Contains(got, "Date") {
		t.Errorf("without a time: %s", got)
	}
}

// TestCurrencyOfTheShop: amounts of a payload that names no currency are in the shop's.
func TestCurrencyOfTheShop(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]string{"": "125.50", "EUR": "€125.50"} {
		r := renderer(t, Config{}, shop(func(s *store.Store) { s.Currency = currency }))
		e := sample(event.POSSave, func(e *event.Event) { e.Sale.Currency = "" })
		if m := rendered(t, r, message.WhatsApp, message.Customer, e); !strings.Contains(m.Text, "*Total: "+want+"*") {
			t.Errorf("%q: %s", currency, m.Text)
		}
	}
}

// TestLinesOfARefundAddUp: whichever sign a till gave to what comes back, and whatever discounts are among the lines, the column comes to the refund.
func TestLinesOfARefundAddUp(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	lineEnd := regexp.MustCompile(`(?m)^- .*?(-?)\$([0-9]+)\.00$`)
	rapid.Check(t, func(t *rapid.T) {
		sign := rapid.SampledFrom([]int{1, -1}).Draw(t, "sign")
		e := &event.Event{Type: rapid.SampledFrom([]event.Type{event.RefundComplete, event.PaymentComplete, event.POSSave}).Draw(t, "type"), Sender: event.SenderPOS, Sale: event.Sale{Currency: "USD"}}
		sum := 0
		for i := range rapid.IntRange(1, 6).Draw(t, "lines") {
			quantity, price := rapid.IntRange(1, 3).Draw(t, "quantity"), rapid.IntRange(-5, 30).Draw(t, "price")
			sum += quantity * price
			item := event.Item{Name: fmt.Sprint("Item ", string(rune('a'+i))), Quantity: strconv.Itoa(quantity), UnitPrice: strconv.Itoa(sign * price)}
			if sign < 0 && price > 0 && rapid.Bool().Draw(t, "negative quantity") {
				item.Quantity, item.UnitPrice = strconv.Itoa(-quantity), strconv.Itoa(price)
			}
			if rapid.Bool().Draw(t, "total") {
				item.Total = strconv.Itoa(sign * quantity * price)
			}
			e.Items = append(e.Items, item)
		}
		if sum <= 0 {
			t.Skip("nothing comes back")
		}
		if e.Type == event.RefundComplete {
			e.Sale.Refunded = strconv.Itoa(sum)
		} else {
			e.Sale.Total = strconv.Itoa(-sum)
		}
		text := rendered(testingOf(t), r, message.Email, message.Customer, e).Text
		shown := 0
		for _, line := range lineEnd.FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(line[1] + line[2])
			shown += n
		}
		if shown != sum || !strings.Contains(text, fmt.Sprintf("Refund: $%d.00", sum)) {
			t.Fatalf("the lines come to %d, and not to %d:\n%s", shown, sum, text)
		}
	})
}

// TestColons: between a label and its value stands what the language has there, in both parts of an e-mail and on WhatsApp. French of Canada has its own amounts.
func TestColons(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for locale, want := range map[string][]string{
		"en": {"Total: $125.50", "Place: ", "oat milk): 2 ×"}, "fr": {"Total\u00a0: 125,50", "Lieu\u00a0: ", "oat milk)\u00a0: 2 ×"}, "fr-CA": {"Total\u00a0: 125,50\u00a0$\u00a0US", "Lieu\u00a0: "},
		"ja": {"合計：", "場所：", "oat milk)：2 ×"}, "zh-Hans": {"合计：", "地点：", "oat milk)：2 ×"}, "de": {"Gesamt: 125,50", "Ort: "},
	} {
		e := event.Sample(event.POSSave)
		e.Customer.Locale = locale
		mail := rendered(t, r, message.Email, message.Customer, e)
		for _, text := range []string{mail.Text, rendered(t, r, message.WhatsApp, message.Customer, e).Text} {
			for _, one := range want {
				if !strings.Contains(text, one) {
					t.Errorf("%s: there is no %q in %q", locale, one, text)
				}
			}
		}
		if !strings.Contains(mail.HTML, want[1]+"<bdi>Table 7") || strings.Contains(mail.HTML, "\u00a0</") {
			t.Errorf("%s: %s", locale, mail.HTML)
		}
	}
	e := event.Sample(event.POSSave)
	e.Customer.Locale, e.Sale.Currency, e.Sale.Total = "fr-CA", "CAD", "12.50"
	if text := rendered(t, r, message.WhatsApp, message.Customer, e).Text; !strings.Contains(text, "*Total\u00a0: 12,50\u00a0$*") {
		t.Error(text)
	}
}

// TestDiscountOfARefund: it is shown where there is something that it is taken from.
func TestDiscountOfARefund(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for want, change := range map[string]func(*event.Event){
		"": func(e *event.Event) { e.Items, e.Sale.Subtotal = nil, "" },
		"Subtotal: $25.00\nDiscount: -$5.00\nRefund: $20.00": func(e *event.Event) { e.Items, e.Sale.Subtotal = nil, "-25" },
		"$25.00\n\nDiscount: -$5.00\nRefund: $20.00":         func(e *event.Event) { e.Items = []event.Item{{Name: "Mug", Total: "25"}} },
	} {
		e := sample(event.RefundComplete, func(e *event.Event) {
			e.Sale.Total, e.Sale.Refunded, e.Sale.Discount = "", "20", "5"
			change(e)
		})
		if got := rendered(t, r, message.Email, message.Customer, e).Text; !strings.Contains(got, want) || strings.Contains(got, "Discount") != (want != "") {
			t.Errorf("%q: %s", want, got)
		}
	}
}
