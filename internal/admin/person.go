package admin

import (
	"fmt"
	"strings"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// Person is the person with a phone number or an e-mail address, however it is written. It prints masked. It implements queue.Person.
type Person struct {
	address message.Address
	region  string // DEFAULT_REGION
}

// ParsePerson reads a phone number or an e-mail address as it would be read out of a payload. Errors: address.ErrPhone, address.ErrEmail.
func ParsePerson(raw, region string) (Person, error) {
	p := Person{region: region}
	var err error
	if strings.Contains(raw, "@") {
		p.address, err = address.Email(raw)
	} else {
		p.address, err = address.Phone(raw, region)
	}
	if err != nil {
		return Person{}, fmt.Errorf("that is %w", err)
	}
	return p, nil
}

// String masks the address.
func (p Person) String() string { return p.address.String() }

// channel is one that the person's address is for.
func (p Person) channel() message.Channel {
	if strings.Contains(p.address.Reveal(), "@") {
		return message.Email
	}
	return message.SMS
}

// key names the person to programs: the address itself. It is not to be printed.
func (p Person) key() string { return strings.ToLower(p.address.Reveal()) }

// Owns says that a message has the person's data: it goes to them, or its event names them as the customer. So the e-mail about an order is
// found by the customer's number too, which the event has. Without an event (nil) the recipient alone counts.
func (p Person) Owns(to message.Address, e *event.Event) bool {
	if p.is(to.Reveal(), p.region) {
		return true
	}
	if e == nil {
		return false
	}
	region := e.Customer.Region
	if region == "" {
		region = p.region
	}
	return p.is(e.Customer.Phone, region) || p.is(e.Customer.Email, region)
}

// is compares an address as it was written somewhere; region is the country to read a number by. Addresses are compared without regard to case:
// whatever the standards allow, nobody has two mailboxes that differ in that alone.
func (p Person) is(written, region string) bool {
	if written == "" {
		return false
	}
	if strings.EqualFold(written, p.address.Reveal()) {
		return true
	}
	if p.channel() == message.Email {
		read, err := address.Email(written)
		return err == nil && strings.EqualFold(read.Reveal(), p.address.Reveal())
	}
	read, err := address.Phone(written, region)
	return err == nil && read == p.address
}
