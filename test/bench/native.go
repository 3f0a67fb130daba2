package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	keys "ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

// notificationURL is the address that Square's webhooks are signed with.
const notificationURL = "https://hooks.example.com/webhooks/square/default"

// nativeEnv turns the senders with a form of their own on. Toast's webhooks name no currency.
var nativeEnv = []string{
	"SHOPIFY_WEBHOOK_SECRET=" + secret, "WOOCOMMERCE_WEBHOOK_SECRET=" + secret, "STRIPE_WEBHOOK_SECRET=" + secret, "TOAST_WEBHOOK_SECRET=" + secret,
	"SQUARE_SIGNATURE_KEY=" + secret, "SQUARE_NOTIFICATION_URL=" + notificationURL, "DEFAULT_CURRENCY=USD",
}

// nativeTarget is how many times the cost of /webhooks/pos the same sale may cost in its sender's own form.
const nativeTarget = 1.3

// wholeOrder is an order with every member that Shopify's REST Admin API gives one: two lines, taxes, a discount, shipping.
//
//go:embed shopify-order.json
var wholeOrder string

// sale is a payment in the form of a sender.
type sale struct {
	name, sender, topic string
	text                string // "" for that of ringup's own sample
}

var sales = []sale{
	{"Shopify", "shopify", "orders/paid", wholeOrder},
	{"Shopify, few members", "shopify", "orders/paid", ""},
	{"WooCommerce", "woocommerce", "order.updated", ""},
	{"Toast", "toast", "order_updated", ""},
	{"Stripe", "stripe", "checkout.session.completed", ""},
	{"Square", "square", "payment.updated", ""},
}

// latest is when the latest sale was made. A sample has its id by the microsecond, and no two sales of a run have the same.
var latest = time.Now()

// native makes a webhook of the sale, another one with each call.
func (s *sale) native() (webhook, error) {
	if latest = latest.Add(time.Microsecond); time.Since(latest) > 0 {
		latest = time.Now() // Stripe's signatures age
	}
	w, err := sample.Make(s.sender, s.topic, secret, notificationURL, latest, sample.Options{Text: s.text})
	if err != nil {
		return webhook{}, err
	}
	return webhook{catalog.GuideOf(s.sender).Path(), w.Header, w.Body}, nil
}

// pos makes the webhook by which a till tells /webhooks/pos of a sale like that.
func (s *sale) pos() (webhook, error) {
	var c catalog.Config
	for _, g := range catalog.Guides {
		*g.Keys(&c) = keys.Keys{secret}
	}
	c.Square.NotificationURL = notificationURL
	all, err := catalog.New(c)
	if err != nil {
		return webhook{}, err
	}
	w, err := s.native()
	if err != nil {
		return webhook{}, err
	}
	from, _ := all.Get(event.DefaultStore, s.sender)
	reading, err := from.Decode(&sender.Delivery{Header: w.header, Body: w.body, At: latest})
	if err != nil {
		return webhook{}, err
	}
	if len(reading.Events) != 1 {
		return webhook{}, fmt.Errorf("%s: %d events", s.name, len(reading.Events))
	}
	body, err := json.Marshal(posOf(reading.Events[0]))
	return signed(body), err
}

// posOf returns an event as the payload of /webhooks/pos.
func posOf(e *event.Event) any {
	type object map[string]any
	number := func(text string) any {
		if text == "" {
			return nil
		}
		return json.Number(text)
	}
	text := func(t string) any {
		if t == "" {
			return nil
		}
		return t
	}
	items := make([]object, len(e.Items))
	for i, item := range e.Items {
		items[i] = object{"name": item.Name, "options": item.Options, "quantity": number(item.Quantity), "price": number(item.UnitPrice), "total": number(item.Total)}
	}
	data := object{
		"transactionId": text(e.Sale.TransactionID), "orderId": text(e.Sale.OrderID), "orderName": text(e.Sale.OrderName), "status": text(e.Sale.Status), "currency": text(e.Sale.Currency),
		"subtotal": number(e.Sale.Subtotal), "discount": number(e.Sale.Discount), "tax": number(e.Sale.Tax), "tip": number(e.Sale.Tip), "amount": number(e.Sale.Total),
		"receiptUrl": text(e.Sale.ReceiptURL), "place": text(e.Sale.Place), "items": items, "locale": text(e.Customer.Locale),
		"customerName": text(e.Customer.Name), "customerPhone": text(e.Customer.Phone), "customerRegion": text(e.Customer.Region), "customerEmail": text(e.Customer.Email),
	}
	if p := e.Sale.Payment; p != (event.Payment{}) {
		data["payment"] = object{"brand": p.Brand, "lastFour": text(p.LastFour)}
	}
	for _, one := range append(items, data) {
		for name, value := range one {
			if options, is := value.([]string); value == nil || is && len(options) == 0 {
				delete(one, name)
			}
		}
	}
	return object{"id": e.ID, "event_type": e.Type, "timestamp": e.At.Format(time.RFC3339Nano), "source": e.Source, "data": data}
}

// nativeCost has the costs of accepting a sale in its sender's form, and by /webhooks/pos.
type nativeCost struct {
	name                  string
	native, pos           cost
	nativeBytes, posBytes int
	ratio                 float64 // the median of the rounds'
}

// measureNative measures every sale in turns: in its sender's form, by /webhooks/pos, and again.
func measureNative(dir string, c contender) (all []nativeCost, err error) {
	for i := range sales {
		s := &sales[i]
		progress("%s: %s, and the same by /webhooks/pos", c.name, s.name)
		native, err := s.native()
		pos, posErr := s.pos()
		if err = errors.Join(err, posErr); err != nil {
			return nil, err
		}
		one := nativeCost{name: s.name, nativeBytes: len(native.body), posBytes: len(pos.body)}
		type pair struct{ native, pos cost }
		var pairs []pair
		for range *rounds {
			var p pair
			if p.native, err = measure(dir, c, setting{made: s.native}, false); err != nil {
				return nil, err
			}
			if p.pos, err = measure(dir, c, setting{made: s.pos}, false); err != nil {
				return nil, err
			}
			pairs = append(pairs, p)
		}
		ratio := func(p pair) float64 { return p.native.total() / p.pos.total() }
		slices.SortFunc(pairs, func(a, b pair) int { return int((ratio(a) - ratio(b)) * 1e6) })
		middle := pairs[len(pairs)/2]
		one.native, one.pos, one.ratio = middle.native, middle.pos, ratio(middle)
		progress("%s: %.3f times /webhooks/pos", s.name, one.ratio)
		all = append(all, one)
	}
	return all, nil
}

// nativeTable has a row for each sale.
func nativeTable(all []nativeCost) string {
	var b strings.Builder
	fmt.Fprintln(&b, "\nCPU to accept a sale in its sender's own form, and the same sale by `/webhooks/pos` (in brackets: ingest and Redis):\n\n| | ratio | own form | `/webhooks/pos` | target | |\n|---|---|---|---|---|---|")
	for _, x := range all {
		each := func(c cost, bytes int) string {
			return fmt.Sprintf("%.1f µs (%.1f + %.1f), %d bytes", c.total(), c.ingest, c.redis, bytes)
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %s | %.2f | %s |\n", x.name, x.ratio, each(x.native, x.nativeBytes), each(x.pos, x.posBytes), nativeTarget, verdict(x.ratio <= nativeTarget))
	}
	return b.String()
}

// verdict says whether a target was met.
func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

// printNative measures and prints that table alone.
func printNative(out io.Writer, dir string, c contender) error {
	all, err := measureNative(dir, c)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, nativeTable(all))
	return err
}

// profileNative writes the profiles of the programs while they accept Shopify's sale, into own, and the same sale by /webhooks/pos, into pos: two folders below into.
func profileNative(out io.Writer, dir string, c contender, into string) error {
	for name, made := range map[string]func() (webhook, error){"own": sales[0].native, "pos": sales[0].pos} {
		*profiles = filepath.Join(into, name)
		if err := os.MkdirAll(*profiles, 0o750); err != nil {
			return err
		}
		x, err := measure(dir, c, setting{made: made}, false)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s: ingest %.1f + Redis %.1f µs per webhook, %.0f per second\n", name, x.ingest, x.redis, x.perSecond)
	}
	return nil
}
