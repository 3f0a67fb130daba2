package event

import "time"

// Sample returns an event of a type as POST /webhooks/pos makes it, with something in every part of a receipt, which adds up; nil for an unknown type.
// Each call returns one of its own.
func Sample(t Type) *Event {
	if !t.Known() {
		return nil
	}
	e := &Event{
		ID: "webhook_" + string(t), Store: DefaultStore, Sender: SenderPOS, Type: t, At: time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC), Source: "pos_system",
		Sale: Sale{TransactionID: "TXN_67890", OrderID: "ORD_1", Currency: "USD", Subtotal: "125.50", Discount: "10.00", Tax: "8.00", Tip: "2.00", Total: "125.50",
			Payment: Payment{Brand: "Visa", LastFour: "4242"}, ReceiptURL: "https://till.example.com/r/ORD_1", Place: "Table 7"},
		Customer: Customer{Name: "John Doe", Phone: "+1234567890", Email: "john.doe@example.com"},
		Items:    []Item{{Name: "Espresso", Options: []string{"double", "oat milk"}, Quantity: "2", UnitPrice: "3.25"}, {Name: "Moka pot", Quantity: "1", UnitPrice: "119.00"}},
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

// BareSample returns the sample of a type with nothing but what a webhook must have; nil for an unknown type.
func BareSample(t Type) *Event {
	e := Sample(t)
	if e == nil {
		return nil
	}
	return &Event{ID: e.ID, Store: e.Store, Sender: e.Sender, Type: e.Type, At: e.At}
}
