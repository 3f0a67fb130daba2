package render

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// properties are the CSS that e-mails may have inline: what caniemail.com (2026) says that Gmail, Outlook for Windows and Apple Mail all read, but for
// max-width, without which an e-mail is as wide as the window, in Outlook.
var properties = map[string]bool{
	"background-color": true, "border-bottom": true, "color": true, "font-family": true, "font-size": true, "font-weight": true, "line-height": true, "margin": true,
	"max-width": true, "padding": true, "text-decoration": true, "width": true,
}

// elementsOfMail are those that the same programs show. bdi is passed over where it is not known, so values have the isolating characters, too.
var elementsOfMail = map[string]bool{
	"html": true, "head": true, "meta": true, "title": true, "body": true, "table": true, "tr": true, "td": true, "h1": true, "a": true, "br": true, "font": true, "img": true, "bdi": true,
}

// TestMailProgramsShowIt: no CSS and no elements that a mail program drops, tables for the layout, alternatives for pictures, a language and a direction, colors in
// pairs so that dark modes change both, and no fixed width that a small phone does not have.
func TestMailProgramsShowIt(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, shop(func(s *store.Store) {
		s.Brand = store.Brand{Logo: "https://cdn.example.com/logo.png?a=1&b=2", Color: "#0b5fff", Address: "1 Main St", TaxNumber: "12", Support: "+1 202 555 0100"}
	}))
	for _, about := range occasions {
		for _, audience := range message.Audiences {
			m := rendered(t, r, message.Email, audience, sampleOf(about))
			for z := html.NewTokenizer(strings.NewReader(m.HTML)); z.Next() != html.ErrorToken; {
				token := z.Token()
				if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
					continue
				}
				if !elementsOfMail[token.Data] {
					t.Errorf("<%s> is not shown everywhere", token.Data)
				}
				attributes := map[string]string{}
				for _, a := range token.Attr {
					attributes[a.Key] = a.Val
				}
				for declaration := range strings.SplitSeq(strings.TrimSuffix(attributes["style"], ";"), ";") {
					if name, _, found := strings.Cut(declaration, ":"); found && !properties[strings.TrimSpace(name)] {
						t.Errorf("<%s> has %s, which is not read everywhere", token.Data, name)
					}
				}
				switch token.Data {
				case "html":
					if attributes["lang"] != "en" || attributes["dir"] != "ltr" {
						t.Errorf("%v", attributes)
					}
				case "table":
					if w := attributes["width"]; w != "100%" && !strings.Contains(attributes["style"], "width:100%;max-width:"+w) {
						t.Errorf("a table of width %q", w)
					}
				case "img":
					if attributes["alt"] != "Luna Coffee" || attributes["src"] != "https://cdn.example.com/logo.png?a=1&b=2" {
						t.Errorf("%v", attributes)
					}
				case "a":
					if !strings.HasPrefix(attributes["href"], "https://") {
						t.Errorf("%v", attributes)
					}
				}
			}
			for _, want := range []string{`bgcolor="#0b5fff"`, `<font color="#ffffff">`, `name="color-scheme" content="light dark"`, "1 Main St"} {
				if !strings.Contains(m.HTML, want) {
					t.Errorf("there is no %s", want)
				}
			}
		}
	}
}

// TestDirections: a language from right to left turns the page around, and a value that runs against its text changes nothing around it.
func TestDirections(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{"words.ar.txt": `{{define "pos_save.customer"}}مرحبا {{.CustomerName}}, {{.Order}} & <b> {{.Amount}}{{end}}`}), luna)
	e := sample(event.POSSave, func(e *event.Event) { e.Customer.Locale = "ar" })
	m := rendered(t, r, message.Email, message.Customer, e)
	for _, want := range []string{`<html lang="ar" dir="rtl">`, `<td align="left" valign="top"`, "<bdi>\u2068John Doe\u2069</bdi>, <bdi>\u2068ORD_1\u2069</bdi> &amp; &lt;b&gt; "} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("there is no %q in\n%s", want, m.HTML)
		}
	}
	e = sample(event.POSSave, func(e *event.Event) { e.Customer.Name = "محمد" })
	m = rendered(t, r, message.Email, message.Customer, e)
	if !strings.Contains(m.Text, "Hi \u2068محمد\u2069, here") || !strings.Contains(m.HTML, "Hi <bdi>\u2068محمد\u2069</bdi>, here") || !strings.Contains(m.HTML, `dir="ltr"`) {
		t.Errorf("%s\n%s", m.Text, m.HTML)
	}
}

// TestFiguresHaveDirections: an amount or a date in a locale that is written in the other direction than the words changes nothing around it.
func TestFiguresHaveDirections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		store, customer, currency string
		isolated                  bool
	}{
		{"en", "fa-AF", "AFN", true}, {"en", "he", "ILS", false}, {"ar", "sv", "SEK", true}, {"ar", "ru", "RUB", true}, {"ar", "hi", "INR", true},
		{"ar", "ar-EG", "EGP", false}, {"en", "sv", "SEK", false},
	} {
		r := renderer(t, Config{}, shop(func(s *store.Store) { s.Locale = tt.store }))
		for _, channel := range []message.Channel{message.WhatsApp, message.Email} {
			m := rendered(t, r, channel, message.Customer, sample(event.POSSave, func(e *event.Event) {
				e.Customer.Locale, e.Sale.Currency, e.Customer.Name, e.Sale.OrderID, e.Sale.TransactionID = tt.customer, tt.currency, "", "", ""
			}))
			// Each line of an item has two amounts, or one, and the total is there twice.
			if n := strings.Count(m.Text, "\u2068"); (n >= 5) != tt.isolated {
				t.Errorf("%s in the words of %s, %s: %d isolated: %q", tt.customer, tt.store, channel, n, m.Text)
			}
		}
	}
}

// TestSubjectsHaveDirections: a value that runs against its subject changes nothing around it, and a subject is one line.
func TestSubjectsHaveDirections(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{"order_cancel.email.customer.en.subject": "a\n{{.Order}}\t\u2028b\r\nc\u00a0\u202fd"}), luna)
	for _, tt := range []struct {
		kind          event.Type
		locale, order string
		want          string
	}{
		{event.OrderUpdate, "en", "طلب 5", "Your order \u2068طلب 5\u2069: ready"},
		{event.OrderUpdate, "ar", "ORD-5", "طلبك \u2068ORD-5\u2069: جاهز"},
		{event.OrderCancel, "en", "טל 5", "a \u2068טל 5\u2069 b c d"},
	} {
		e := sample(tt.kind, func(e *event.Event) { e.Customer.Locale, e.Sale.OrderID = tt.locale, tt.order })
		if m := rendered(t, r, message.Email, message.Customer, e); m.Subject != tt.want {
			t.Errorf("%q, want %q", m.Subject, tt.want)
		}
	}
}

// TestColors: the text on a color has the contrast of WCAG 2.2, level AA, for large text at least (3 to 1), whatever the color.
func TestColors(t *testing.T) {
	t.Parallel()
	const digits = "0123456789abcdef"
	for i := range 4096 {
		of := "#" + strings.Repeat(string(digits[i>>8]), 2) + strings.Repeat(string(digits[i>>4&15]), 2) + strings.Repeat(string(digits[i&15]), 2)
		color, text := colors(of)
		lighter, darker := luminance(color), luminance(text)
		if lighter < darker {
			lighter, darker = darker, lighter
		}
		if contrast := (lighter + 0.05) / (darker + 0.05); color != of || contrast < 4.2 {
			t.Errorf("%s on %s: %.2f to 1", text, color, contrast)
		}
	}
	if color, text := colors(""); color != "#ffffff" || text == "#ffffff" {
		t.Errorf("without a color: %s on %s", text, color)
	}
}

// TestLinesFromRightToLeft: in Arabic every line of every message begins at the right, whatever stands in it, and none in English does.
func TestLinesFromRightToLeft(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, shop(func(s *store.Store) { s.Address, s.Support = "1 Main St, Springfield", "+1 202 555 0100" }))
	for _, locale := range []string{"ar", "en"} {
		for _, about := range occasions {
			for _, channel := range message.Channels {
				e := sampleOf(about)
				e.Customer.Locale = locale
				m := rendered(t, r, channel, message.Customer, e)
				for line := range strings.SplitSeq(m.Text, "\n") {
					if channel != message.SMS {
						line = format.Unisolated(line)
					}
					if line != "" && format.RTL(line) != (locale == "ar") && (locale == "ar" || strings.ContainsFunc(line, unicode.IsLetter)) {
						t.Errorf("%s, %s in %s: %q", about, channel, locale, line)
					}
				}
			}
		}
	}
}
