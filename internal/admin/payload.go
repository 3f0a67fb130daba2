package admin

import (
	"encoding/json"
	"net/url"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// hidden stands for a value that is not shown.
const hidden = "•••"

// shownEvent is an event as operators see it.
type shownEvent struct {
	ID       string            `json:"id"`
	Type     event.Type        `json:"event_type"`
	Sender   string            `json:"sender,omitempty"`
	Store    string            `json:"store,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Source   string            `json:"source,omitempty"`
	Sale     shownSale         `json:"sale"`
	Customer shownCustomer     `json:"customer"`
	Items    []shownItem       `json:"items,omitempty"`
	Others   map[string]string `json:"others,omitempty"` // the names of fields that ringup does not know: anything may be in them
}

type shownSale struct {
	TransactionID string `json:"transaction_id,omitempty"`
	OrderID       string `json:"order_id,omitempty"`
	OrderName     string `json:"order_name,omitempty"`
	Status        string `json:"status,omitempty"`
	Currency      string `json:"currency,omitempty"`
	Subtotal      string `json:"subtotal,omitempty"`
	Discount      string `json:"discount,omitempty"`
	Tax           string `json:"tax,omitempty"`
	TaxIncluded   bool   `json:"tax_included,omitempty"`
	Tip           string `json:"tip,omitempty"`
	Total         string `json:"total,omitempty"`
	Refunded      string `json:"refunded,omitempty"`
	Card          string `json:"card,omitempty"` // its brand
	LastFour      string `json:"last_four,omitempty"`
	ReceiptURL    string `json:"receipt_url,omitempty"` // its host: the rest may let anybody in
	Place         string `json:"place,omitempty"`
	Test          bool   `json:"test,omitempty"`
}

// shownCustomer has masked addresses, and of the name its first letter.
type shownCustomer struct {
	Name     string `json:"name,omitempty"`
	Phone    string `json:"phone,omitempty"`
	Region   string `json:"region,omitempty"`
	Email    string `json:"email,omitempty"`
	Locale   string `json:"locale,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
}

type shownItem struct {
	Name      string   `json:"name,omitempty"`
	Options   []string `json:"options,omitempty"`
	Quantity  string   `json:"quantity,omitempty"`
	UnitPrice string   `json:"unit_price,omitempty"`
	Total     string   `json:"total,omitempty"`
}

// maxShownItems bounds the items that are shown of an event.
const maxShownItems = 100

// payload is an event as indented JSON, without what a person could be found by.
func payload(e *event.Event) string {
	s, c := &e.Sale, &e.Customer
	out := shownEvent{
		ID: e.ID, Type: e.Type, Sender: e.Sender, Store: e.Store, At: e.At, Source: e.Source,
		Sale: shownSale{s.TransactionID, s.OrderID, s.OrderName, s.Status, s.Currency, s.Subtotal, s.Discount, s.Tax, s.TaxIncluded, s.Tip, s.Total, s.Refunded,
			s.Payment.Brand, s.Payment.LastFour, shownURL(s.ReceiptURL), s.Place, s.Test},
		Customer: shownCustomer{shownName(c.Name), shownAddress(c.Phone), c.Region, shownAddress(c.Email), c.Locale, c.TimeZone},
	}
	for i := range e.Items[:min(len(e.Items), maxShownItems)] {
		one := &e.Items[i]
		out.Items = append(out.Items, shownItem{one.Name, one.Options, one.Quantity, one.UnitPrice, one.Total})
	}
	if rest := len(e.Items) - len(out.Items); rest > 0 {
		out.Items = append(out.Items, shownItem{Name: "and " + Plural(rest, "item")})
	}
	var others map[string]json.RawMessage
	if json.Unmarshal([]byte(e.Extra), &others) == nil && len(others) > 0 {
		out.Others = map[string]string{}
		for name := range others {
			out.Others[name] = hidden
		}
	}
	text, err := json.MarshalIndent(&out, "", "  ")
	if err != nil {
		return "" // texts, and times of a year with more than four digits
	}
	return string(text)
}

func shownName(name string) string {
	for _, first := range name {
		return string(first) + hidden
	}
	return ""
}

func shownAddress(address string) string {
	if address == "" {
		return ""
	}
	return message.Mask(address)
}

func shownURL(address string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return hidden
	}
	return u.Host + "/" + hidden
}
