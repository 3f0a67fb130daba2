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

// ParsePerson reads a phone number or an e-mail address as address.Possible does: it may be one that nothing is sent to any more. Errors:
// address.ErrPhone, address.ErrEmail.
func ParsePerson(raw, region string) (Person, error) {
	p := Person{region: region}
	channel := message.SMS
	if strings.Contains(message.Clean(raw), "@") {
		channel = message.Email
	}
	var err error
	if p.address, err = address.Possible(channel, raw, region); err != nil {
		return Person{}, fmt.Errorf("that is %w", err)
	}
	return p, nil
}

// String masks the address.
func (p Person) String() string { return p.address.String() }

// Address is the person's own.
func (p Person) Address() message.Address { return p.address }

// channel is one that the person's address is for.
func (p Person) channel() message.Channel {
	if strings.Contains(p.address.Reveal(), "@") {
		return message.Email
	}
	return message.SMS
}

// key names the person to programs, in whatever spelling. It is not to be printed.
func (p Person) key() string { return p.address.Key().Reveal() }

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
	if !address.HasNumbers(region) { // as plan.Plan reads it
		region = p.region
	}
	return p.is(e.Customer.Phone, region) || p.is(e.Customer.Email, region)
}

// is compares an address as it was written somewhere, by keys; region is the country to read a number by.
func (p Person) is(written, region string) bool {
	if written == "" {
		return false
	}
	if message.Address(written).Key() == p.address.Key() {
		return true
	}
	read, err := address.Possible(p.channel(), written, region)
	return err == nil && read.Key() == p.address.Key()
}
