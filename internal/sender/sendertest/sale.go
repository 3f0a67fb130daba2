package sendertest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/value"
)

// Object is a JSON object that a test makes.
type Object = map[string]any

// With returns a copy of an object with other members.
func With(o Object, members Object) Object {
	out := Object{}
	for _, from := range []Object{o, members} {
		for name, value := range from {
			out[name] = value
		}
	}
	return out
}

// Act is a webhook of a sale: what the sender posts at a time.
type Act struct {
	Header http.Header
	After  time.Duration // Now
	// Body returns the sale as it is posted at a time.
	Body func(at time.Time) Object
	// Once is set of a webhook that is of this moment only. Others come again, newly made, whenever the sale is edited.
	Once bool
}

// customer hears what ingest accepts: an event once within the day for which it is remembered, and one without a time of its own once.
type customer struct {
	testing.TB
	from  sender.Sender
	heard map[string]time.Time
	all   []*event.Event
}

func (c *customer) gets(a *Act, at, delivered time.Time) {
	c.Helper()
	body, err := json.Marshal(a.Body(at))
	if err != nil {
		c.Fatal(err)
	}
	reading, err := c.from.Decode(&sender.Delivery{Header: a.Header, Body: body, At: delivered})
	if fault := Check(reading, err); fault != nil || err != nil {
		c.Fatalf("%s: %v %v", body, fault, err)
	}
	for _, e := range reading.Events {
		key := string(e.Type) + " " + e.ID
		last, known := c.heard[key]
		if known && (delivered.Sub(last) < 24*time.Hour || slices.Contains(reading.Undated, e.ID)) {
			continue
		}
		c.heard[key] = delivered
		c.all = append(c.all, e)
	}
}

// meanings returns what was heard, as paid or refunded/5.00, sorted.
func (c *customer) meanings() []string {
	out := []string{}
	for _, e := range c.all {
		parts := strings.SplitN(e.ID, "/", 4)
		out = append(out, parts[len(parts)-1])
	}
	slices.Sort(out)
	return out
}

// Sale plays the webhooks of one sale: in order, each twice, shuffled, and with the sale edited hours, a day and weeks later. It checks that a customer hears some meanings,
// each once, and returns the events as they come in order.
func Sale(t *testing.T, name string, from sender.Sender, acts []Act, want ...string) []*event.Event {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	slices.Sort(want)
	// At best a webhook comes two seconds after it was made. Those that are late come together, once ingest is there again.
	play := func(how string, order []int, late bool) []*event.Event {
		c := &customer{TB: t, from: from, heard: map[string]time.Time{}}
		last := Now.Add(acts[len(acts)-1].After)
		for _, i := range order {
			at := Now.Add(acts[i].After)
			delivered := at
			if late {
				delivered = last
			}
			c.gets(&acts[i], at, delivered.Add(2*time.Second))
		}
		if got := c.meanings(); !slices.Equal(got, want) {
			t.Errorf("%s, %s: heard %q, want %q", name, how, got, want)
		}
		first := slices.Clone(c.all)
		for _, later := range []time.Duration{time.Hour, 8 * time.Hour, 31 * time.Hour, 500 * time.Hour} {
			if state := acts[len(acts)-1]; !state.Once {
				c.gets(&state, last.Add(later), last.Add(later+2*time.Second))
			}
		}
		if got := c.meanings(); !slices.Equal(got, want) {
			t.Errorf("%s, %s, and edited later: heard %q, want %q", name, how, got, want)
		}
		return first
	}
	inOrder, twice := []int{}, []int{}
	for i := range acts {
		inOrder, twice = append(inOrder, i), append(twice, i, i)
	}
	play("each twice", twice, false)
	for range 5 {
		rand.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		play("shuffled", twice, true)
	}
	return play("in order", inOrder, false)
}

// AddsUp reports whether a receipt's lines lead to its total: less the discount, plus the tip, and the tax where the lines do not have it in them. So does its subtotal, where there
// is one.
func AddsUp(e *event.Event) bool {
	lines := make([]string, len(e.Items))
	for i, item := range e.Items {
		if lines[i] = item.Total; item.Total == "" {
			lines[i] = format.LineTotal(item.Quantity, item.UnitPrice)
		}
	}
	of := event.Sale{Discount: e.Sale.Discount, Tax: e.Sale.Tax, TaxIncluded: e.Sale.TaxIncluded, Tip: e.Sale.Tip, Total: e.Sale.Total}
	return sender.Subtotal(&of, value.Sum(lines...)) != "" && (e.Sale.Subtotal == "" || sender.Subtotal(&of, e.Sale.Subtotal) != "")
}
