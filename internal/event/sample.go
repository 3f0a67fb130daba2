package event

import "time"

// Sample returns an event of a type as POST /webhooks/pos makes it, with something in every field that a till fills; nil for an unknown type.
// Each call returns one of its own.
func Sample(t Type) *Event {
	if !t.Known() {
		return nil
	}
	e := &Event{
		ID: "webhook_" + string(t), Store: DefaultStore, Sender: SenderPOS, Type: t, At: time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC), Source: "pos_system",
		Sale:     Sale{TransactionID: "TXN_67890", OrderID: "ORD_1", Currency: "USD", Total: "125.50"},
		Customer: Customer{Name: "John Doe", Phone: "+1234567890", Email: "john.doe@example.com"},
		Items:    []Item{{Name: "Espresso", Quantity: "2", UnitPrice: "3.25"}, {Name: "Moka pot", Quantity: "1", UnitPrice: "119.00"}},
	}
	switch t {
	case PaymentComplete:
		e.Sale.Status = "paid"
	case RefundComplete:
		e.Sale.Status, e.Sale.Total, e.Sale.Refunded = "refunded", "", "125.50"
	case OrderCreate:
		e.Sale.Status = "received"
	case OrderCancel:
		e.Sale.Status = "cancelled"
	case OrderUpdate:
		e.Sale.Status = "ready"
	case POSSave:
		e.ID, e.Sale.Status = "webhook_12345", "ready"
	}
	return e
}
