package toast

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/api"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// APIConfig is how Toast is asked for the guests of orders, for the store "default".
type APIConfig struct {
	// ClientID of the API credentials, with the scopes orders:read and guest.pi:read.
	ClientID string `env:"TOAST_CLIENT_ID"`
	// ClientSecret of the API credentials.
	ClientSecret secret.String `env:"TOAST_CLIENT_SECRET"`
	// BaseURL is the address of Toast's API, as Toast names it beside the credentials.
	BaseURL string `env:"TOAST_BASE_URL, default=https://ws-api.toasttab.com"`
}

// NewResolver returns what completes the events of Toast's webhooks. The error names the variable of a setting that cannot work.
func NewResolver(c APIConfig, o sender.ResolverOptions) (sender.Resolver, error) {
	// The error is that of ErrorMessage (doc.toasttab.com/doc/devguide/apiResponsesAndErrors.html).
	client, err := api.New(api.Options{Variable: "TOAST_BASE_URL", URL: c.BaseURL, AllowHTTP: o.AllowHTTP, Concurrency: o.Concurrency, Login: c.login, ErrorMember: "message"})
	if c.ClientID == "" {
		err = errors.Join(errors.New("TOAST_CLIENT_ID is empty: set that of TOAST_CLIENT_SECRET"), err)
	}
	if err != nil {
		return nil, err
	}
	return &resolver{client: client}, nil
}

// login asks for a token, by the client's credentials (doc.toasttab.com/doc/devguide/authentication.html).
func (c APIConfig) login(ctx context.Context, client *api.Client) (secret.String, time.Duration, error) {
	var answer struct {
		Token fields.Object[struct {
			Text    fields.Text `json:"accessToken"`
			Seconds fields.Text `json:"expiresIn"`
		}] `json:"token"`
	}
	body := map[string]string{"clientId": c.ClientID, "clientSecret": c.ClientSecret.Reveal(), "userAccessType": "TOAST_MACHINE_CLIENT"}
	if err := client.Post(ctx, &answer, body, "authentication", "v1", "authentication", "login"); err != nil {
		return "", 0, err
	}
	token := answer.Token.Members
	seconds, _ := strconv.Atoi(token.Seconds.String()) // without it the token is asked for again each time
	if token.Text.String() == "" {
		return "", 0, api.Unreadable(http.StatusOK)
	}
	return secret.String(token.Text.String()), time.Duration(min(max(seconds, 0), maxTokenSeconds)) * time.Second, nil
}

// maxTokenSeconds is a day, which Toast's own are valid for.
const maxTokenSeconds = 24 * 60 * 60

type resolver struct{ client *api.Client }

// The members of a Lookup, which is a query of GUIDs.
const (
	lookupRestaurant = "restaurant"
	lookupOrder      = "order"
	lookupCheck      = "check"
)

// lookup returns what the resolver has to ask for, of a check whose guest the webhook leaves out; "" for nothing. One with a number or an address is complete.
func lookup(e *event.Event, restaurant string, n change) string {
	if n.check == nil || restaurant == "" || e.Customer.Phone != "" || e.Customer.Email != "" {
		return ""
	}
	return url.Values{lookupRestaurant: {restaurant}, lookupOrder: {e.Sale.OrderID}, lookupCheck: {n.check.GUID.String()}}.Encode()
}

// Probe implements sender.Resolver: it logs in. Which restaurants and scopes the credentials are for shows with the first order alone, since Toast's requests need a restaurant.
func (r *resolver) Probe(ctx context.Context) error { return r.client.LogIn(ctx) }

// Resolve implements sender.Resolver. Of the order only the guest is taken: the webhook has the sums of its own time. An order that is gone, or has no guest that the credentials may see, is told as
// it is.
func (r *resolver) Resolve(ctx context.Context, of *event.Event) ([]*event.Event, error) {
	want, err := url.ParseQuery(of.Lookup)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "the event was written by another version"}
	}
	e := *of
	e.Lookup = ""
	// doc.toasttab.com/doc/devguide/apiOrdersGetDetailedInfoAboutOneOrder.html
	var o order
	err = r.client.Get(ctx, &o, nil, http.Header{"Toast-Restaurant-External-Id": {want.Get(lookupRestaurant)}}, "orders", "v2", "orders", want.Get(lookupOrder))
	switch {
	case api.Missing(err):
		return []*event.Event{&e}, nil
	case err != nil:
		return nil, err
	case o.GUID.String() == "":
		return nil, api.Unreadable(http.StatusOK)
	}
	for i := range o.Checks {
		if c := &o.Checks[i]; c.GUID.String() == want.Get(lookupCheck) {
			guest := c.guest()
			guest.Name = cmp.Or(guest.Name, e.Customer.Name)
			e.Customer = guest
			break
		}
	}
	value.Clean(&e)
	return []*event.Event{&e}, nil
}
