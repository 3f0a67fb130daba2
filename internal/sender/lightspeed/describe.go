package lightspeed

import (
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// describe gives an event the sale, its customer and its items. A return is of the sale that it names.
func (s *sale) describe(e *event.Event, n change) {
	e.Sale = event.Sale{
		TransactionID: s.ID.String(), OrderID: fields.First(s.ReturnFor, s.ID), OrderName: s.Invoice.String(), Status: n.status, Tax: s.tax(), Total: s.total(),
	}
	if n.state == event.RefundComplete { // of the sale's own total it says nothing
		e.Sale.Refunded, e.Sale.Total = strings.TrimPrefix(e.Sale.Total, "-"), ""
		e.Sale.Tax = strings.TrimPrefix(e.Sale.Tax, "-")
	}
	s.pay(&e.Sale)
	e.Customer = s.customer()
	lines := s.lines()
	e.Sale.TaxIncluded = inclusive(lines)
	for i := range lines {
		e.Items = append(e.Items, lines[i].item(e.Sale.TaxIncluded))
	}
}

// pay says in which currency a sale was paid, and how, where it was paid in one way. Rounding to the coins that there are is no payment.
func (s *sale) pay(to *event.Sale) {
	ways := map[string]bool{}
	for _, p := range s.payments() {
		if code, ok := value.Currency(p.Currency.String()); ok && to.Currency == "" {
			to.Currency = code
		}
		way := fields.First(p.RetailerType.Members.Name, p.Name, p.Type.Members.Name)
		if !strings.EqualFold(way, "Cash rounding") {
			ways[way] = true
			to.Payment.Brand = way
		}
	}
	if len(ways) != 1 {
		to.Payment.Brand = ""
	}
}

// customer returns the sale's customer.
func (s *sale) customer() event.Customer {
	c := &s.Customer.Members
	if strings.EqualFold(c.Code.String(), walkIn) {
		return event.Customer{}
	}
	person := c.person()
	if person.Name == "" {
		person.Name = s.CustomerName.String()
	}
	return person
}

// person returns a customer as an event has it. A mobile number comes before another one.
func (c *customer) person() event.Customer {
	reach := c.Reach.Members
	region, _ := value.Region(fields.First(c.Country, reach.Country, c.Postal, reach.Postal))
	person := event.Customer{
		Name: fields.Join(c.FirstName, c.LastName), Email: fields.First(c.Email, reach.Email), Region: region,
		Phone: fields.First(c.Mobile, reach.Mobile, c.Phone, reach.Phone),
	}
	if person.Name == "" {
		person.Name = fields.Join(reach.FirstName, reach.LastName)
	}
	if person.Name == "" {
		person.Name = c.Name.String()
	}
	return person
}

// inclusive reports whether the lines are shown with the tax in them, as the shop's price tags are. Where the lines do not say, the prices do: 13.045 and 1.955 of tax are 15.00, and
// 9.99 and 0.81919 of tax are 9.99.
func inclusive(lines []line) bool {
	with, without := 0, 0
	for i := range lines {
		l := &lines[i]
		switch l.Inclusive.String() {
		case "1":
			return true
		case "0":
			return false
		}
		price, tax := l.Price.Number(), l.Tax.Number()
		if price == "" || tax == "" {
			return false
		}
		without, with = max(without, places(price)), max(with, places(value.Sum(price, tax)))
	}
	return with < without
}

// places returns how many decimals a plain decimal has, without zeros at its end.
func places(number string) int {
	_, decimals, _ := strings.Cut(number, ".")
	return len(strings.TrimRight(decimals, "0"))
}

// item returns a line, with its tax or without.
func (l *line) item(withTax bool) event.Item {
	item := event.Item{Name: l.Name.String(), Quantity: l.Quantity.Number(), UnitPrice: l.Price.Number(), Total: l.PriceTotal.Number()}
	if !withTax {
		return item
	}
	item.UnitPrice, item.Total = both(item.UnitPrice, l.Tax.Number()), both(item.Total, l.TaxTotal.Number())
	return item
}

// both returns the sum of two plain decimals; "" where one is not known.
func both(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return value.Sum(a, b)
}
