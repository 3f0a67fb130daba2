package loyverse

import (
	"context"
	"net/http"
	"net/url"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Loyverse is asked for customers, for the store "default".
type APIConfig struct {
	// Token of Loyverse's API: an access token of the shop, or an app's with CUSTOMERS_READ, RECEIPTS_READ and MERCHANT_READ.
	Token secret.String `env:"LOYVERSE_ACCESS_TOKEN"`
	// BaseURL is the address of Loyverse's API.
	BaseURL string `env:"LOYVERSE_BASE_URL, default=https://api.loyverse.com"`
}

// NewResolver returns what completes the events of Loyverse's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	client, err := api.New(api.Options{Variable: "LOYVERSE_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Token: c.Token, ErrorMember: "errors"})
	if err != nil {
		return nil, err
	}
	return &resolver{client: client}, nil
}

type resolver struct {
	client    *api.Client
	customers api.Cache[customer] // by id
	merchants api.Cache[merchant] // by ""
}

const version = "v1.0"

// The members of a Lookup, which is a query.
const (
	lookupCustomer = "customer" // its id
	lookupReceipt  = "receipt"  // the number of the sale's, whose customer a refund leaves out
)

// lookup returns what is to be fetched for a receipt; "" for nothing.
func (r *receipt) lookup() string {
	v := url.Values{}
	if id := r.Customer.String(); id != "" {
		v.Set(lookupCustomer, id)
	} else if number := r.RefundFor.String(); number != "" {
		v.Set(lookupReceipt, number)
	}
	return v.Encode()
}

// customer is a Customer of Loyverse's API.
type customer struct {
	ID      fields.Text `json:"id"`
	Name    fields.Text `json:"name"`
	Email   fields.Text `json:"email"`
	Phone   fields.Text `json:"phone_number"`
	Country fields.Text `json:"country_code"`
}

// merchant is a Merchant of Loyverse's API.
type merchant struct {
	ID       fields.Text `json:"id"`
	Currency fields.Object[struct {
		Code fields.Text `json:"code"`
	}] `json:"currency"`
}

// Probe implements sender.Resolver: no customer has such an id.
func (r *resolver) Probe(ctx context.Context) error {
	if err := r.client.Probe(ctx, version, "customers", "00000000-0000-0000-0000-000000000000"); err != nil {
		return err
	}
	return r.client.Get(ctx, &merchant{}, nil, nil, version, "merchant")
}

// Resolve implements sender.Resolver. A sale whose customer is gone is told without.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	want, err := url.ParseQuery(of.Lookup)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the event was written by another version"}
	}
	e := *of
	e.Lookup = ""
	id := want.Get(lookupCustomer)
	if number := want.Get(lookupReceipt); number != "" {
		var sale receipt
		if err := r.get(ctx, &sale, &sale.Number, "receipts", number); err != nil {
			return nil, err
		}
		id = sale.Customer.String()
	}
	if id != "" {
		c, err := fetch(ctx, r, &r.customers, id, func(c *customer) *fields.Text { return &c.ID }, "customers", id)
		if err != nil {
			return nil, err
		}
		region, _ := value.Region(c.Country.String())
		e.Customer = event.Customer{Name: c.Name.String(), Phone: c.Phone.String(), Email: c.Email.String(), Region: region}
	}
	m, err := fetch(ctx, r, &r.merchants, "", func(m *merchant) *fields.Text { return &m.ID }, "merchant")
	if err != nil {
		return nil, err
	}
	e.Sale.Currency, _ = value.Currency(m.Currency.Members.Code.String())
	value.Clean(&e)
	return []*event.Event{&e}, nil
}

// fetch returns an object that was asked for a few minutes ago, or asks for it.
func fetch[T any](ctx context.Context, r *resolver, known *api.Cache[T], name string, id func(*T) *fields.Text, path ...string) (*T, error) {
	if one := known.Get(name); one != nil {
		return one, nil
	}
	one := new(T)
	if err := r.get(ctx, one, id(one), path...); err != nil {
		return nil, err
	}
	if id(one).String() != "" { // what is gone is not kept: it may be there in a moment
		known.Put(name, one)
	}
	return one, nil
}

// get reads an object, whose id tells it from a proxy's answer. One that is gone is left as it is. Errors: *failure.Error.
func (r *resolver) get(ctx context.Context, into any, id *fields.Text, path ...string) error {
	err := r.client.Get(ctx, into, nil, nil, append([]string{version}, path...)...)
	switch {
	case api.Missing(err):
		return nil
	case err == nil && id.String() == "":
		return api.Unreadable(http.StatusOK)
	}
	return err
}
