package square

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Square is asked for orders and customers, for the store "default".
type APIConfig struct {
	// Token of Square's API, with the permissions ORDERS_READ and CUSTOMERS_READ.
	Token secret.String `env:"SQUARE_ACCESS_TOKEN"`
	// BaseURL is the address of Square's API: https://connect.squareupsandbox.com for Square's sandbox.
	BaseURL string `env:"SQUARE_BASE_URL, default=https://connect.squareup.com"`
}

// apiVersion is the version of Square's API that the members of order and customer are of.
const apiVersion = "2025-10-16"

// NewResolver returns what completes the events of Square's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	client, err := api.New(api.Options{
		Variable: "SQUARE_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Token: c.Token, Header: http.Header{"Square-Version": {apiVersion}}, ErrorMember: "errors",
	})
	if err != nil {
		return nil, err
	}
	return &resolver{client: client}, nil
}

type resolver struct {
	client    *api.Client
	orders    api.Cache[order]    // by id; one is as good as a new one where it is of the webhook's version
	customers api.Cache[customer] // by id
}

// The members of a Lookup, which is a query: the ids of what is to be fetched, and, of a webhook about an order, what happened to it and the version since when.
const (
	lookupOrder    = "order"
	lookupCustomer = "customer"
	lookupChange   = "change" // created or updated
	lookupVersion  = "version"
)

// lookup returns the text of a Lookup; "" where no id is known.
func lookup(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v.Encode()
}

// customer is a Customer of the Customers API.
type customer struct {
	Given   fields.Text         `json:"given_name"`
	Family  fields.Text         `json:"family_name"`
	Email   fields.Text         `json:"email_address"`
	Phone   fields.Text         `json:"phone_number"`
	Address fields.Object[addr] `json:"address"`
}

// absent is an id that no object has.
const absent = "ringup-doctor"

// Probe implements sender.Resolver. Either of the two permissions may be missing.
func (r *resolver) Probe(ctx context.Context) error {
	if err := r.client.Probe(ctx, "v2", "orders", absent); err != nil {
		return err
	}
	return r.client.Probe(ctx, "v2", "customers", absent)
}

// Resolve implements sender.Resolver. A payment whose order or customer is gone is told without; a webhook about an order is nothing without it.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	want, err := url.ParseQuery(of.Lookup)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the event was written by another version"}
	}
	change := want.Get(lookupChange)
	e := *of
	e.Lookup = ""
	o := &order{}
	if id := want.Get(lookupOrder); id != "" {
		found, err := r.order(ctx, id, want.Get(lookupVersion))
		switch {
		case err == nil:
			o = found
		case change != "" || !api.Missing(err):
			return nil, err
		}
	}
	if change != "" {
		news := o.event(change == "created", of.At)
		if news == nil {
			return nil, nil
		}
		account, _, _ := strings.Cut(strings.TrimPrefix(of.ID, Name+"/"), "/")
		e.ID, e.Type, e.Sale.Status = sender.ID(Name, account, want.Get(lookupOrder), news.ID), news.Type, news.Sale.Status
		// A state is told as it is now, which an earlier webhook may be the first to bring: it is no older than another one that was told meanwhile.
		if updated := o.Updated.Time(time.UTC); e.Type != event.OrderCreate && updated.After(e.At) {
			e.At = updated
		}
	}
	if o.ID.String() != "" {
		o.describe(&e)
	}
	people := []event.Customer{e.Customer}
	if id := cmp.Or(want.Get(lookupCustomer), o.Customer.String()); id != "" {
		c, err := r.customer(ctx, id)
		switch {
		case err == nil:
			people = append(people, c.person())
		case !api.Missing(err):
			return nil, err
		}
	}
	receiver := o.receiver()
	if change != "" { // who fetches the order is told of it
		people = append([]event.Customer{receiver}, people...)
	}
	e.Customer = merge(append(people, receiver)...)
	value.Clean(&e)
	return []*event.Event{&e}, nil
}

// order returns an order as it is now, or, of a version or a later one, as it was a few minutes ago: an edit posts several webhooks.
func (r *resolver) order(ctx context.Context, id, version string) (*order, error) {
	least, _ := strconv.Atoi(version)
	if known := r.orders.Get(id); known != nil && least > 0 && known.version() >= least {
		return known, nil
	}
	var answer struct {
		Order fields.Object[order] `json:"order"`
	}
	if err := r.client.Get(ctx, &answer, nil, nil, "v2", "orders", id); err != nil {
		return nil, err
	}
	o := &answer.Order.Members
	switch v := o.version(); {
	case o.ID.String() == "":
		return nil, api.Unreadable(http.StatusOK)
	case v > 0 && v < least:
		return nil, &failure.Error{Class: failure.Transient, Reason: failure.ReasonRequest, Detail: "the order is older than the webhook about it"}
	}
	if len(o.Lines) <= maxCachedLines {
		r.orders.Put(id, o)
	}
	return o, nil
}

// maxCachedLines bounds the memory of the cache: some 100 KB per order.
const maxCachedLines = 100

func (r *resolver) customer(ctx context.Context, id string) (*customer, error) {
	if known := r.customers.Get(id); known != nil {
		return known, nil
	}
	var answer struct {
		Customer fields.Object[customer] `json:"customer"`
	}
	if err := r.client.Get(ctx, &answer, nil, nil, "v2", "customers", id); err != nil {
		return nil, err
	}
	if !answer.Customer.Given {
		return nil, api.Unreadable(http.StatusOK)
	}
	r.customers.Put(id, &answer.Customer.Members)
	return &answer.Customer.Members, nil
}

func (c *customer) person() event.Customer {
	region, _ := value.Region(c.Address.Members.Country.String())
	return event.Customer{Name: fields.Join(c.Given, c.Family), Phone: c.Phone.String(), Email: c.Email.String(), Region: region}
}

// receiver returns who gets what was ordered.
func (o *order) receiver() event.Customer {
	for _, f := range o.Fulfillments {
		d := f.details()
		to := d.Recipient.Members
		if d.Recipient.Given {
			region, _ := value.Region(to.Address.Members.Country.String())
			return event.Customer{Name: to.Name.String(), Phone: to.Phone.String(), Email: to.Email.String(), Region: region}
		}
	}
	return event.Customer{}
}

// merge returns a customer with the first of each field. A number goes with the country that stands beside it.
func merge(people ...event.Customer) event.Customer {
	var c event.Customer
	for _, p := range people {
		c.Name, c.Email = cmp.Or(c.Name, p.Name), cmp.Or(c.Email, p.Email)
		c.Locale, c.TimeZone = cmp.Or(c.Locale, p.Locale), cmp.Or(c.TimeZone, p.TimeZone)
		if c.Phone == "" && p.Phone != "" {
			c.Phone, c.Region = p.Phone, cmp.Or(p.Region, c.Region)
		}
		c.Region = cmp.Or(c.Region, p.Region)
	}
	return c
}

// change is what a webhook says of an order: ids only.
type change struct {
	Order   fields.Text `json:"order_id"`
	Place   fields.Text `json:"location_id"`
	Version fields.Text `json:"version"`
	Updated fields.Text `json:"updated_at"`
	Created fields.Text `json:"created_at"`
}

// event returns the event that the resolver completes: of each version of an order there is one.
func (c *change) event(account, topic string, said time.Time) *event.Event {
	what, kind := "updated", event.OrderUpdate
	if topic == "order.created" {
		what, kind = "created", event.OrderCreate
	}
	id, version := c.Order.String(), c.Version.String()
	return &event.Event{
		ID: sender.ID(Name, account, id, what, version), Type: kind, At: said, Source: c.Place.String(), Sale: event.Sale{OrderID: id},
		Lookup: lookup(lookupOrder, id, lookupChange, what, lookupVersion, version),
	}
}
