package clover

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Clover is asked for orders and customers, for the store "default".
type APIConfig struct {
	// Token of Clover's API: the merchant's, with the permissions to read orders, payments and customers.
	Token secret.String `env:"CLOVER_ACCESS_TOKEN"`
	// BaseURL is the address of Clover's API: https://api.eu.clover.com in Europe, https://api.la.clover.com in Latin America, https://apisandbox.dev.clover.com for the sandbox.
	BaseURL string `env:"CLOVER_BASE_URL, default=https://api.clover.com"`
}

// NewResolver returns what completes the events of Clover's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	client, err := api.New(api.Options{Variable: "CLOVER_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Token: c.Token, ErrorMember: "message"})
	if err != nil {
		return nil, err
	}
	return &resolver{client: client}, nil
}

type resolver struct {
	client *api.Client
	orders api.Cache[order] // by merchant and id; one is as good as a new one where it was changed after the webhook's update
}

// The members of a Lookup, which is a query.
const (
	lookupMerchant = "merchant"
	lookupOrder    = "order"
	lookupPayment  = "payment"
)

func lookup(merchant, object, id string) string {
	return url.Values{lookupMerchant: {merchant}, object: {id}}.Encode()
}

// Probe implements sender.Resolver. Clover answers 401 for a merchant that is not the token's as for a wrong token (docs.clover.com/dev/docs/401-unauthorized), and which merchant the token
// is for it does not say: so all that can be found out is whether it is up.
func (r *resolver) Probe(ctx context.Context) error {
	err := r.client.Probe(ctx, "v3", "merchants", "RINGUPDOCTOR0")
	if err != nil && failure.AsError(err).Class == failure.Account {
		return nil
	}
	return err
}

// Resolve implements sender.Resolver. An order or a payment that is gone was deleted meanwhile, and says nothing; a payment by Hosted Checkout says what its webhook did.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	want, err := url.ParseQuery(of.Lookup)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the event was written by another version"}
	}
	merchant, id, paid := want.Get(lookupMerchant), want.Get(lookupOrder), of.Type == event.PaymentComplete
	e := *of
	e.Lookup = ""
	if payment := want.Get(lookupPayment); payment != "" {
		if id, err = r.orderOf(ctx, merchant, payment); err != nil {
			return nil, err
		}
	}
	var o *order
	if id != "" {
		if o, err = r.order(ctx, merchant, id, of.At); err != nil {
			return nil, err
		}
	}
	switch {
	case o == nil && paid:
		return []*event.Event{&e}, nil
	case o == nil:
		return nil, nil
	}
	if err := r.back(ctx, merchant, o); err != nil {
		return nil, err
	}
	n := o.change(of.At, paid)
	if n == nil {
		return nil, nil
	}
	e.ID, e.Type, e.At = sender.ID(Name, merchant, o.ID.String(), n.meaning), n.state, fields.FirstTime(n.at, of.At)
	o.describe(&e, n)
	if e.Customer, err = r.customer(ctx, merchant, o); err != nil {
		return nil, err
	}
	value.Clean(&e)
	return []*event.Event{&e}, nil
}

// orderOf returns the id of a payment's order; "" where one of them is gone.
func (r *resolver) orderOf(ctx context.Context, merchant, id string) (string, error) {
	var p struct {
		ID    fields.Text `json:"id"`
		Order fields.Object[struct {
			ID fields.Text `json:"id"`
		}] `json:"order"`
	}
	err := r.get(ctx, &p, &p.ID, nil, merchant, "payments", id)
	return p.Order.Members.ID.String(), err
}

// order returns an order as it is now, or, where it was changed at a time or after, as it was a few minutes ago: a sale makes several updates. nil where it is gone.
func (r *resolver) order(ctx context.Context, merchant, id string, at time.Time) (*order, error) {
	name := merchant + "/" + id
	if known := r.orders.Get(name); known != nil && !known.Modified.Time(time.UTC).Before(at) {
		one := *known
		return &one, nil
	}
	// Clover takes three at most (docs.clover.com/dev/docs/expanding-fields).
	var o order
	if err := r.get(ctx, &o, &o.ID, url.Values{"expand": {"lineItems,customers,payments"}}, merchant, "orders", id); err != nil || o.ID.String() == "" {
		return nil, err
	}
	kept := o
	r.orders.Put(name, &kept)
	return &o, nil
}

// back completes an order that was paid back with what was.
func (r *resolver) back(ctx context.Context, merchant string, o *order) error {
	if !o.returned() {
		return nil
	}
	var more order
	err := r.get(ctx, &more, &more.ID, url.Values{"expand": {"refunds,credits"}}, merchant, "orders", o.ID.String())
	o.Refunds, o.Credits = more.Refunds, more.Credits
	return err
}

// customer returns an order's customer. The order may have the id alone, or the name alone.
func (r *resolver) customer(ctx context.Context, merchant string, o *order) (event.Customer, error) {
	all := o.Customers.Members.Elements
	if len(all) == 0 || all[0].ID.String() == "" {
		return event.Customer{}, nil
	}
	c := all[0]
	if !c.Phones.Given || !c.Emails.Given {
		var whole customer
		if err := r.get(ctx, &whole, &whole.ID, url.Values{"expand": {"phoneNumbers,emailAddresses"}}, merchant, "customers", c.ID.String()); err != nil {
			return event.Customer{}, err
		}
		if whole.ID.String() != "" {
			c = whole
		}
	}
	return c.person(), nil
}

// get reads an object, whose id tells it from a proxy's answer. One that is gone is left as it is. Errors: *failure.Error.
func (r *resolver) get(ctx context.Context, into any, id *fields.Text, query url.Values, merchant string, path ...string) error {
	err := r.client.Get(ctx, into, query, nil, append([]string{"v3", "merchants", merchant}, path...)...)
	switch {
	case api.Missing(err):
		return nil
	case err == nil && id.String() == "":
		return api.Unreadable(http.StatusOK)
	}
	return err
}
