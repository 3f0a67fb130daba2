package stripe

import (
	"context"
	"net/http"
	"net/url"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Stripe is asked for the lines of Checkout sessions, for the store "default".
type APIConfig struct {
	// Key of Stripe's API: a restricted one that may read Checkout sessions is enough.
	Key secret.String `env:"STRIPE_API_KEY"`
	// BaseURL is the address of Stripe's API.
	BaseURL string `env:"STRIPE_BASE_URL, default=https://api.stripe.com"`
}

// NewResolver returns what completes the events of Stripe's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	client, err := api.New(api.Options{Variable: "STRIPE_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Token: c.Key, ErrorMember: "error"})
	if err != nil {
		return nil, err
	}
	return &resolver{client}, nil
}

type resolver struct{ client *api.Client }

// Probe implements sender.Resolver: no session has such an id.
func (r *resolver) Probe(ctx context.Context) error {
	return r.client.Probe(ctx, "v1", "checkout", "sessions", "cs_ringup_doctor", "line_items")
}

// lineItem is a line of a session (stripe/openapi, schema item).
type lineItem struct {
	ID          fields.Text `json:"id"`
	Description fields.Text `json:"description"`
	Quantity    fields.Text `json:"quantity"`
	Currency    fields.Text `json:"currency"`
	Subtotal    fields.Text `json:"amount_subtotal"`
	Price       fields.Object[struct {
		Amount fields.Text `json:"unit_amount"`
	}] `json:"price"`
}

// pageSize is the most that Stripe gives at once (docs.stripe.com/api/pagination).
const pageSize = "100"

// Resolve implements sender.Resolver: the Lookup is a session's id, and Stripe is asked for its lines. One that is gone is told without.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	e := *of
	e.Lookup = ""
	query, header := url.Values{"limit": {pageSize}}, http.Header{}
	if e.Source != "" { // of Connect
		header.Set("Stripe-Account", e.Source)
	}
	for more := fields.Flag(true); bool(more) && len(e.Items) < event.MaxItems; {
		var page struct {
			Object fields.Text           `json:"object"`
			Data   fields.List[lineItem] `json:"data"`
			More   fields.Flag           `json:"has_more"`
		}
		err := r.client.Get(ctx, &page, query, header, "v1", "checkout", "sessions", of.Lookup, "line_items")
		if api.Missing(err) {
			break
		}
		if err == nil && page.Object.String() != "list" {
			err = api.Unreadable(http.StatusOK)
		}
		if err != nil {
			return nil, err
		}
		for _, l := range page.Data {
			if len(e.Items) < event.MaxItems {
				e.Items = append(e.Items, l.item())
			}
		}
		if more = page.More && len(page.Data) > 0; more {
			query.Set("starting_after", page.Data[len(page.Data)-1].ID.String())
		}
	}
	value.Clean(&e)
	return []*event.Event{&e}, nil
}

// item returns a line. Its total is before discounts and taxes, as the session's subtotal is.
func (l *lineItem) item() event.Item {
	currency, _ := value.Currency(l.Currency.String())
	money := moneyOf(currency)
	return event.Item{Name: l.Description.String(), Quantity: l.Quantity.Number(), UnitPrice: money(l.Price.Members.Amount), Total: money(l.Subtotal)}
}
