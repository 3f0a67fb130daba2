package sender

import (
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/value"
)

// Subtotal returns the first of some amounts from which the sale's total follows by what a receipt shows between them: the discount, the tip, and the tax where the
// prices do not have it in them. "" where none does: senders mean different things by a subtotal, and a receipt that does not add up is worse than one without it.
func Subtotal(s *event.Sale, amounts ...string) string {
	tax := s.Tax
	if s.TaxIncluded {
		tax = ""
	}
	for _, amount := range amounts {
		if amount != "" && value.Equal(value.Sum(amount, value.Minus(value.Absolute(s.Discount)), tax, s.Tip), s.Total) {
			return amount
		}
	}
	return ""
}
