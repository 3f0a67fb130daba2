package event

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ringup 0.1.0 put what POST /webhooks/pos had taken into the queue as it came. This file reads that, and is the only place behind ingest that
// knows a till's JSON. It goes with the release after 0.2, when no job that 0.1.0 accepted waits any more.

type version1 struct {
	ID        string `json:"id"`
	Type      Type   `json:"event_type"`
	Timestamp string `json:"timestamp"`
	Source    string `json:"source"`
	Data      struct {
		TransactionID string         `json:"transactionId"`
		Amount        literal        `json:"amount"`
		Currency      string         `json:"currency"`
		CustomerName  string         `json:"customerName"`
		CustomerPhone string         `json:"customerPhone"`
		CustomerEmail string         `json:"customerEmail"`
		OrderID       string         `json:"orderId"`
		Status        string         `json:"status"`
		Locale        string         `json:"locale"`
		TimeZone      textAlone      `json:"timezone"`
		Items         []version1Item `json:"items"`
		Unknown       jsontext.Value `json:",embed"`
	} `json:"data"`
}

type version1Item struct {
	Name     string  `json:"name"`
	Quantity literal `json:"quantity"`
	Price    literal `json:"price"`
}

// literal is a number as it was written, or the text of a string; "" for any other value.
type literal string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *literal) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case '0':
		*l = literal(value)
	case '"':
		var text []byte
		text, err = jsontext.AppendUnquote(nil, value)
		*l = literal(text)
	}
	return err
}

// textAlone is the text of a string; "" for any other value. 0.1.0 took every value for a time zone, and used texts.
type textAlone string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *textAlone) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '"' {
		return d.SkipValue()
	}
	var l literal
	err := l.UnmarshalJSONFrom(d)
	*t = textAlone(l)
	return err
}

// DecodeVersion1 reads a webhook as ringup 0.1.0 stored it. It was validated before it was stored, so little is looked at here. Errors:
// ErrCorrupt.
func DecodeVersion1(webhook []byte) (*Event, error) {
	var w version1
	if err := json.Unmarshal(webhook, &w, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("%w: not a webhook that was accepted", ErrCorrupt)
	}
	at, err := time.Parse(time.RFC3339, w.Timestamp)
	if err != nil {
		return nil, fmt.Errorf("%w: not a webhook that was accepted", ErrCorrupt)
	}
	e := &Event{
		ID: w.ID, Store: DefaultStore, Sender: SenderPOS, Type: w.Type, At: at, Source: w.Source,
		Sale: Sale{
			TransactionID: w.Data.TransactionID, OrderID: w.Data.OrderID, Status: w.Data.Status, Currency: w.Data.Currency, Total: string(w.Data.Amount),
		},
		Customer: Customer{
			Name: w.Data.CustomerName, Phone: w.Data.CustomerPhone, Email: w.Data.CustomerEmail, Locale: w.Data.Locale, TimeZone: string(w.Data.TimeZone),
		},
		Extra: string(w.Data.Unknown),
	}
	for _, item := range w.Data.Items {
		e.Items = append(e.Items, Item{Name: item.Name, Quantity: string(item.Quantity), UnitPrice: string(item.Price)})
	}
	return e, nil
}
