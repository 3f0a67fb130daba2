package render

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bojanz/currency"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
)

var andMore = regexp.MustCompile(`… and (\d+) more`)

// order is a sale with many items.
func order(items int, name string) *event.Event {
	return sample(event.POSSave, func(e *event.Event) {
		e.Items = nil
		for i := range items {
			e.Items = append(e.Items, event.Item{Name: fmt.Sprintf("%s %d", name, i), Quantity: "2", UnitPrice: "3.25"})
		}
	})
}

// TestWhatIsTooLongLosesItems: a text fits its provider, whatever it holds. What follows the list is there, every item is listed or counted, and one more would
// not have fitted.
func TestWhatIsTooLongLosesItems(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, err := New(Config{}, luna)
		if err != nil {
			t.Fatal(err)
		}
		limit := rapid.SampledFrom([]message.Limit{{Units: 600}, {Units: 1600}, {Units: 4096}, {Bytes: 1600}, {Units: 1600, Bytes: 1600}}).Draw(t, "limit")
		r.MaxText = func(message.Channel) message.Limit { return limit }
		n := rapid.IntRange(0, 300).Draw(t, "items")
		name := rapid.SampledFrom([]string{"Latte", "😀😀😀", strings.Repeat("long ", 20), "مرحبا"}).Draw(t, "name")
		e := order(n, name)
		j := jobOf(testingOf(t), message.WhatsApp, message.Customer, e)
		m, err := r.Render(j)
		if err != nil {
			t.Fatal(err)
		}
		if !limit.Fits(m.Text) {
			t.Fatalf("%d units and %d bytes, of %+v", message.Units(m.Text), len(m.Text), limit)
		}
		listed, more := strings.Count(m.Text, "\n• "), 0
		if found := andMore.FindStringSubmatch(m.Text); found != nil {
			more, _ = strconv.Atoi(found[1])
		}
		if listed+more != n || !strings.Contains(m.Text, "*Total: $125.50*") || !strings.Contains(m.Text, "Date: ") {
			t.Fatalf("%d items, %d listed, %d more: %s", n, listed, more, m.Text)
		}
		if line := m.Text[:strings.Index(m.Text+"\n", "\n")] + strings.Repeat(name, 4) + strings.Repeat(" ", 60); more > 0 && limit.Fits(m.Text+line) {
			t.Fatalf("%d units and %d bytes, of %+v, and %d items are not listed", message.Units(m.Text), len(m.Text), limit, more)
		}
	})
}

// testingOf is for helpers that take a testing.TB.
func testingOf(t *rapid.T) testing.TB { return fatalTB{t: t} }

type fatalTB struct {
	testing.TB
	t *rapid.T
}

func (f fatalTB) Helper()           {}
func (f fatalTB) Fatal(args ...any) { f.t.Fatal(args...) }

// TestWhatIsTooLongWithoutItemsIsCut: between characters that a reader sees, and by the provider's count.
func TestWhatIsTooLongWithoutItemsIsCut(t *testing.T) {
	t.Parallel()
	for _, channel := range []message.Channel{message.SMS, message.WhatsApp} {
		for _, text := range []string{"x", "é", "😀", "👩‍👩‍👧", "e\u0301", "ب"} {
			c := folder(t, map[string]string{"pos_save." + string(channel) + ".customer.en.txt": strings.Repeat(text, 2000)})
			r := renderer(t, c, luna)
			m := rendered(t, r, channel, message.Customer, event.Sample(event.POSSave))
			end := "…"
			if channel == message.SMS {
				end = "..."
			}
			if limit := maxText[channel]; !limit.Fits(m.Text) || limit.Fits(m.Text+strings.Repeat("x", 20)) || !strings.HasSuffix(m.Text, end) {
				t.Errorf("%s, %q: %d units, %d bytes, %q", channel, text, message.Units(m.Text), len(m.Text), m.Text[max(0, len(m.Text)-20):])
			}
			if whole := strings.TrimRight(strings.TrimSuffix(m.Text, end), "."); channel == message.WhatsApp && strings.ReplaceAll(whole, text, "") != "" {
				t.Errorf("%s, %q: cut within a character", channel, text)
			}
			if channel == message.SMS && m.Segments != format.Segments(m.Text) {
				t.Errorf("%d segments of %q", m.Segments, text)
			}
		}
	}
}

// TestEMailsListEverything as long as Gmail shows all of it; both parts leave out the same.
func TestEMailsListEverything(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for items, all := range map[int]bool{60: true, 250: true, 3000: false, event.MaxItems: false} {
		for _, audience := range message.Audiences {
			m := rendered(t, r, message.Email, audience, order(items, "Ünïted & <Latte>"))
			if len(m.HTML) > maxHTML || !all && len(m.HTML) < maxHTML-1000 {
				t.Errorf("%d items: %d bytes of HTML", items, len(m.HTML))
			}
			found := andMore.FindAllStringSubmatch(m.Text+textOf(m.HTML), -1)
			if listed := strings.Count(m.Text, "\n- "); all != (found == nil) || all && listed != items || !strings.Contains(m.Text, "Total: $125.50") {
				t.Errorf("%d items: %d listed, %v", items, listed, found)
			} else if !all {
				more, _ := strconv.Atoi(found[0][1])
				if len(found) != 2 || found[0][1] != found[1][1] || listed+more != items || strings.Count(m.HTML, "2 × $3.25") != listed {
					t.Errorf("%d items: %d listed, %v", items, listed, found)
				}
			}
		}
	}
}

// TestTextMessagesAreOneSegment: with the sample, in every language, in the currency of every country and in the locales of its figures.
func TestTextMessagesAreOneSegment(t *testing.T) {
	t.Parallel()
	f, errs := readFiles("", nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	languages := f.locales()
	figures := []string{"en", "en-GB", "de", "de-CH", "fr", "fr-CH", "fr-CA", "es", "es-MX", "pt-BR", "it", "nl", "pl", "sv", "nb", "da", "fi", "cs", "tr", "ar", "ja", "zh-Hans", "ru", "he", "hi", "bg", "mk"}
	for _, words := range languages {
		r := renderer(t, Config{}, luna)
		for _, about := range occasions {
			for _, audience := range message.Audiences {
				for _, code := range currency.GetCurrencyCodes() {
					if digits, _ := currency.GetDigits(code); digits > 3 {
						continue // a unit of account, as Chile's CLF: nobody pays in it
					}
					for _, locale := range append(figures, words) {
						e := sampleOf(about)
						e.Sale.Currency, e.Customer.Locale = code, locale
						if !strings.HasPrefix(locale, words) {
							// English words with the figures of another locale: where a language has no words.
							if _, has := f.words[locale]; has || words != english {
								continue
							}
						}
						m := rendered(t, r, message.SMS, audience, e)
						if strings.Contains(m.Text, "..") {
							t.Errorf("%s, %s, %s, %s: two full stops: %q", about, audience, code, locale, m.Text)
						}
						if m.Segments != 1 {
							t.Errorf("%s, %s, %s, %s: %d segments: %q", about, audience, code, locale, m.Segments, m.Text)
						}
					}
				}
			}
		}
	}
}

// TestNothingOfAnEventIsKept: a view that is used again has no text of the event before.
func TestNothingOfAnEventIsKept(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for _, items := range []int{3, 0, 1, 55, 2} {
		e := order(items, "Espresso")
		chosen, err := r.choose(request{posSave, message.Email, message.Customer, "", english})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := luna.Get(event.DefaultStore)
		v := &view{}
		r.fill(v, jobOf(t, message.Email, message.Customer, e), e, s, posSave, readStatus(e.Sale.Status, nil), chosen.set, chosen.locale)
		v.reset()
		for i, item := range v.Items[:cap(v.Items)] {
			if item != (line{}) {
				t.Fatalf("after %d items: line %d is %+v", items, i, item)
			}
		}
	}
}

// TestLinksAreWhole: a link that is shown is shown whole, however long it is and wherever a shop's own text has it. One that leaves no room goes, and not the list.
func TestLinksAreWhole(t *testing.T) {
	t.Parallel()
	own := renderer(t, folder(t, map[string]string{
		"pos_save.sms.customer.en.txt":      `Your order: {{link . "tracking"}} {{range .Items}}{{.Name}} {{end}}{{.Receipt}}`,
		"pos_save.whatsapp.customer.en.txt": "{{range .Items}}{{.Name}}\n{{end}}{{.Receipt}}\n{{link . \"tracking\"}}.",
	}), luna)
	for name, r := range map[string]*Renderer{"built in": renderer(t, Config{}, luna), "own": own} {
		for _, length := range []int{30, 800, 1300, 1500, 1590, 1600, 1700, 2000} {
			for _, items := range []int{0, 1, 40} {
				for _, channel := range []message.Channel{message.SMS, message.WhatsApp} {
					link := "https://till.example.com/"
					link += strings.Repeat("r", length-len(link))
					e := order(items, "Latte")
					e.Sale.ReceiptURL, e.Extra = link+"1", `{"tracking":"`+link+`2"}`
					m := rendered(t, r, channel, message.Customer, e)
					if n := message.Units(m.Text); n > 1600 {
						t.Errorf("%s, %s: %d units", name, channel, n)
					}
					for _, word := range strings.Fields(m.Text) {
						if strings.Contains(word, "http") && strings.TrimRight(word, ".…12") != link {
							t.Errorf("%s, %s, a link of %d characters, %d items: a part of it is in %q", name, channel, length, items, m.Text)
						}
					}
					if name == "built in" && channel == message.WhatsApp && (!strings.Contains(m.Text, "Total: $125.50") || items > 0 && length >= 1600 && !strings.Contains(m.Text, "• Latte")) {
						t.Errorf("a link of %d characters, %d items: %q", length, items, m.Text)
					}
				}
			}
		}
	}
}

// TestOneItemIsListed: an item fits, however many options it has.
func TestOneItemIsListed(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	e := sample(event.POSSave, func(e *event.Event) {
		e.Items = e.Items[:1]
		for i := range event.MaxOptions {
			e.Items[0].Options = append(e.Items[0].Options, fmt.Sprintf("an option with a long name, number %d", i))
		}
	})
	if m := rendered(t, r, message.WhatsApp, message.Customer, e); !strings.Contains(m.Text, "• Espresso (an option") || !strings.Contains(m.Text, "…): 2 × $3.25 = $6.50") || message.Units(m.Text) > 1600 {
		t.Errorf("%q", m.Text)
	}
	if m := rendered(t, r, message.Email, message.Customer, e); !strings.Contains(m.Text, "number 99") || !strings.Contains(m.HTML, "number 99") {
		t.Errorf("%q", m.Text)
	}
}

// TestLongTextsAreNotRemembered: a till's texts may be as large as its webhooks, and what is remembered of them is bounded.
func TestLongTextsAreNotRemembered(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for i := range 3 {
		long := strings.Repeat(fmt.Sprint(i+1), 5000)
		e := sample(event.POSSave, func(e *event.Event) {
			e.Sale = event.Sale{OrderID: long, Status: long, Currency: long, Total: long, Tax: "1", Payment: event.Payment{Brand: long}}
			e.Customer.Locale, e.Customer.TimeZone = "de-"+long, long
			e.Items = []event.Item{{Name: long, Quantity: long, UnitPrice: long}, {Name: long, Quantity: "2", UnitPrice: long}}
		})
		for _, channel := range message.Channels {
			rendered(t, r, channel, message.Customer, e)
		}
	}
	for text := range r.statuses.known.seen {
		if len(text) > maxRemembered {
			t.Errorf("a status of %d bytes", len(text))
		}
	}
	for q := range r.chosen.seen {
		if len(q.locale) > maxRemembered {
			t.Errorf("a locale of %d bytes", len(q.locale))
		}
	}
	for f := range r.figures.numbers.seen {
		if len(f.literal)+len(f.code) > maxRemembered {
			t.Errorf("a number of %d bytes", len(f.literal)+len(f.code))
		}
	}
	for pair := range r.figures.totals.seen {
		if len(pair[0])+len(pair[1]) > maxRemembered {
			t.Errorf("a product of %d bytes", len(pair[0])+len(pair[1]))
		}
	}
}
