package lightspeed

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Lightspeed is asked for customers and the names of products, for the store "default".
type APIConfig struct {
	// Token of Lightspeed's API: a personal token of the shop, or an app's with customers:read and products:read.
	Token secret.String `env:"LIGHTSPEED_ACCESS_TOKEN"`
	// BaseURL is the address of the shop, as https://STORE.retail.lightspeed.app.
	BaseURL string `env:"LIGHTSPEED_BASE_URL"`
}

// NewResolver returns what completes the events of Lightspeed's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	client, err := api.New(api.Options{Variable: "LIGHTSPEED_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Token: c.Token, ErrorMember: "error"})
	if err != nil {
		return nil, err
	}
	return &resolver{client: client}, nil
}

type resolver struct {
	client    *api.Client
	customers api.Cache[customer] // by id
	products  api.Cache[product]  // by id
}

// maxProducts bounds the products that are asked for of one sale: Lightspeed answers 350 requests in five minutes of a shop with one register
// (x-series-api.lightspeedhq.com/docs/rate_limiting).
const maxProducts = 20

// The members of a Lookup, which is a query.
const (
	lookupCustomer = "customer" // its id
	lookupProduct  = "product"  // the number of a line from 0, a space and the product's id; several
)

// lookup returns what is to be fetched for a sale: the customer where it has the id alone, and the products of lines without a name; "" for nothing.
func (s *sale) lookup() string {
	v := url.Values{}
	if id := s.CustomerID.String(); id != "" && !s.Customer.Given {
		v.Set(lookupCustomer, id)
	}
	products := map[string]bool{}
	for i, l := range s.lines() {
		id := l.Product.String()
		if l.Name.String() != "" || id == "" || len(products) == maxProducts && !products[id] {
			continue
		}
		products[id] = true
		v.Add(lookupProduct, strconv.Itoa(i)+" "+id)
	}
	return v.Encode()
}

// product is a product of API 2.0. The name of one with variants has the variant, too.
type product struct {
	ID      fields.Text `json:"id"`
	Name    fields.Text `json:"name"`
	Variant fields.Text `json:"variant_name"`
}

// Probe implements sender.Resolver: nothing has such an id.
func (r *resolver) Probe(ctx context.Context) error {
	const nobody = "00000000-0000-0000-0000-000000000000"
	if err := r.client.Probe(ctx, "api", "2.0", "customers", nobody); err != nil {
		return err
	}
	return r.client.Probe(ctx, "api", "2.0", "products", nobody)
}

// Resolve implements sender.Resolver. A sale whose customer or products are gone is told without.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	want, err := url.ParseQuery(of.Lookup)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the event was written by another version"}
	}
	e := *of
	e.Lookup = ""
	if id := want.Get(lookupCustomer); id != "" {
		c, err := fetch(ctx, r.client, &r.customers, "customers", id, func(c *customer) *fields.Text { return &c.ID })
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(c.Code.String(), walkIn) && c.ID.String() != "" {
			e.Customer = c.person()
		}
	}
	e.Items = append([]event.Item(nil), of.Items...)
	for _, line := range want[lookupProduct] {
		at, id, _ := strings.Cut(line, " ")
		i, err := strconv.Atoi(at)
		if err != nil || i < 0 || i >= len(e.Items) {
			continue
		}
		p, err := fetch(ctx, r.client, &r.products, "products", id, func(p *product) *fields.Text { return &p.ID })
		if err != nil {
			return nil, err
		}
		e.Items[i].Name = fields.First(p.Variant, p.Name)
	}
	value.Clean(&e)
	return []*event.Event{&e}, nil
}

// fetch returns an object that was asked for a few minutes ago, or asks for it. One that is gone is empty. Errors: *failure.Error.
func fetch[T any](ctx context.Context, client *api.Client, known *api.Cache[T], kind, id string, of func(*T) *fields.Text) (*T, error) {
	if one := known.Get(kind + "/" + id); one != nil {
		return one, nil
	}
	var answer struct {
		Data fields.Object[T] `json:"data"`
	}
	err := client.Get(ctx, &answer, nil, nil, "api", "2.0", kind, id)
	one := &answer.Data.Members
	switch {
	case api.Missing(err): // not kept: it may be there in a moment
		return one, nil
	case err != nil:
		return nil, err
	case of(one).String() == "":
		return nil, api.Unreadable(http.StatusOK)
	}
	known.Put(kind+"/"+id, one)
	return one, nil
}
