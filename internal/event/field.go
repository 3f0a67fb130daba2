package event

import (
	"encoding/json"
)

// Field returns a field by the name that it has in the data of POST /webhooks/pos, as text; "" for one that is absent or is not a string, a
// number or a boolean. So a template can show what it has no name of its own for: {{.Field "customerPhone"}}, or what only its sender knows.
func (e *Event) Field(name string) string {
	if text := e.known(name); text != "" {
		return text
	}
	var members map[string]json.RawMessage
	if e.Extra == "" || json.Unmarshal([]byte(e.Extra), &members) != nil {
		return ""
	}
	raw := members[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	return string(raw)
}

// known returns a field that the event has a place for.
func (e *Event) known(name string) string {
	switch name {
	case "transactionId":
		return e.Sale.TransactionID
	case "amount":
		if e.Type == RefundComplete && e.Sale.Total == "" {
			return e.Sale.Refunded
		}
		return e.Sale.Total
	case "currency":
		return e.Sale.Currency
	case "subtotal":
		return e.Sale.Subtotal
	case "discount":
		return e.Sale.Discount
	case "tax":
		return e.Sale.Tax
	case "taxIncluded":
		if e.Sale.TaxIncluded {
			return "true"
		}
	case "tip":
		return e.Sale.Tip
	case "refunded":
		return e.Sale.Refunded
	case "payment":
		return e.Sale.Payment.Brand
	case "receiptUrl":
		return e.Sale.ReceiptURL
	case "place":
		return e.Sale.Place
	case "test":
		if e.Sale.Test {
			return "true"
		}
	case "customerName":
		return e.Customer.Name
	case "customerPhone":
		return e.Customer.Phone
	case "customerRegion":
		return e.Customer.Region
	case "customerEmail":
		return e.Customer.Email
	case "orderId":
		return e.Sale.OrderID
	case "orderName":
		return e.Sale.OrderName
	case "status":
		return e.Sale.Status
	case "locale":
		return e.Customer.Locale
	case "timezone":
		return e.Customer.TimeZone
	}
	return ""
}
