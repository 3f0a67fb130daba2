package render

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/value"
)

// clickable is what phones and mail programs make a link of. It takes more than full stops behind the word www.
var clickable = regexp.MustCompile(`://|www\.[^\s.]`)

// FuzzRender: whatever a POS sends in a payload's texts stays text. Of an e-mail neither the elements nor the headers change, a text or a
// WhatsApp message gets no link, no formatting and no line that the template has not, and nothing turns what follows around.
func FuzzRender(f *testing.F) {
	f.Add(`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, "ready")
	f.Add("a\r\nBcc: everybody@example.com\r\n\r\nhello", "O\n1", "\u2028\u2029\x85", "x\x00y")
	f.Add("*bold* _it_ ~no~ ```code```", "https://evil.example/pay", "www.evil.example", "HTTP://EVIL.example")
	f.Add("\u202egnp.exe", "\u2066\u2069\u200f", "مرحبا 👩‍👩‍👧", "\u200b\ufeff\u00ad")
	f.Add("{{.Business}} {{call .X}}", `\u003cb\u003e`, strings.Repeat("ÿ", 300), "e\u0301"+strings.Repeat("\u0301", 200))
	f.Add("0", "!", "0{x}", "%s%n")                          // a source without a letter or a digit is left out
	f.Add("www…", "mailto:!", "A\x1f\u0301", "محم\u0604 عل") // what the targets of format found
	renderer, err := New(Config{}, luna)
	if err != nil {
		f.Fatal(err)
	}
	plain, page := map[string]message.Message{}, map[string]string{}
	key := func(e event.Type, c message.Channel, a message.Audience) string { return fmt.Sprint(e, c, a) }
	render := func(t testing.TB, e event.Type, c message.Channel, a message.Audience, name, order, item, status string) (message.Message, error) {
		return renderer.Render(jobOf(t, c, a, &event.Event{Type: e, Source: order, Customer: event.Customer{Name: name},
			Sale:  event.Sale{OrderID: order, TransactionID: order, Status: status, Total: "1.5", Currency: "USD"},
			Items: []event.Item{{Name: item, Quantity: "1", UnitPrice: "1"}}}))
	}
	each := func(visit func(e event.Type, c message.Channel, a message.Audience)) {
		for _, e := range event.Types {
			for _, c := range message.Channels {
				for _, a := range message.Audiences {
					visit(e, c, a)
				}
			}
		}
	}
	each(func(e event.Type, c message.Channel, a message.Audience) {
		m, err := render(f, e, c, a, "word", "word", "word", "word")
		if err != nil {
			f.Fatal(err)
		}
		plain[key(e, c, a)], page[key(e, c, a)] = m, elements(f, m.HTML)
	})
	f.Fuzz(func(t *testing.T, name, order, item, status string) {
		// A field that is empty, or has nothing that can be shown, is left out, and the message is another; so is one with a status that decides what it is about.
		for _, s := range []*string{&name, &order, &item, &status} {
			*s = strings.ToValidUTF8(*s, "\ufffd") // as JSON is read
			if (&view{}).text(*s) == "" {
				*s = "word"
			}
		}
		if (&view{}).text(value.Name(order)) == "" { // it is the source, too, which is a name
			order = "word"
		}
		if s := readStatus(status, nil); s.about != aboutSale || s.word != "" || s.inside != unclear || (&view{}).text(s.readable) == "" {
			status = "word"
		}
		each(func(e event.Type, c message.Channel, a message.Audience) {
			m, err := render(t, e, c, a, name, order, item, status)
			if err != nil {
				t.Fatalf("%s: %v", key(e, c, a), err)
			}
			want := plain[key(e, c, a)]
			for part, texts := range map[string][2]string{"text": {m.Text, want.Text}, "subject": {m.Subject, want.Subject}, "HTML": {m.HTML, want.HTML}} {
				got, harmless := texts[0], texts[1]
				if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool {
					return r != '\n' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2067'
				}) {
					t.Errorf("%s: the %s has what nobody sees: %q", key(e, c, a), part, got)
				}
				if strings.Count(got, "\u2068") != strings.Count(got, "\u2069") {
					t.Errorf("%s: the %s has an isolate without an end: %q", key(e, c, a), part, got)
				}
				if strings.Count(got, "\n") != strings.Count(harmless, "\n") {
					t.Errorf("%s: the %s has other lines: %q", key(e, c, a), part, got)
				}
			}
			if strings.Contains(m.Subject, "\n") {
				t.Errorf("%s: a header of its own: %q", key(e, c, a), m.Subject)
			}
			switch c {
			case message.Email:
				if low := strings.ToLower(m.Subject + m.Text); clickable.MatchString(low) {
					t.Errorf("%s: there is a link in %q, %q", key(e, c, a), m.Subject, m.Text)
				}
				if got, want := elements(t, m.HTML), page[key(e, c, a)]; got != want {
					t.Errorf("%s: the elements are\n%s and not\n%s", key(e, c, a), got, want)
				}
			case message.WhatsApp:
				if got, want := marks(m.Text), marks(want.Text); got != want {
					t.Errorf("%s: the formatting is %s and not %s: %q", key(e, c, a), got, want, m.Text)
				}
				fallthrough
			default:
				if low := strings.ToLower(m.Text); clickable.MatchString(low) {
					t.Errorf("%s: there is a link in %q", key(e, c, a), m.Text)
				}
			}
		})
	})
}

// elements are the elements and attributes of a page, without its texts.
func elements(t testing.TB, page string) string {
	t.Helper()
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		if token := z.Token(); token.Type != html.TextToken {
			b.WriteString(token.Data)
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Errorf("a script: %s", token)
				}
				b.WriteString(" " + a.Key)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// marks are the characters of a text that WhatsApp takes for formatting: those at the edge of a word.
func marks(text string) string {
	var b strings.Builder
	runes := []rune(text)
	word := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	for i, r := range runes {
		if strings.ContainsRune("*_~`", r) && (!word(i-1) || !word(i+1)) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
