// Package plan makes the jobs of an event: which recipients get a message on which channel, by the settings of its store. It is pure.
package plan

import (
	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
)

// Plan returns the jobs of an event, with its priority in its store. On each of the store's channels the customer gets a message where the
// event has an address for it, and then each of the channel's recipients who is another person, by message.Address.Key. A customer's address that
// cannot be read, or may not be written to, is skipped, with the reason. A submission without a message still has one channel, so that the queue
// remembers the event. AcceptedAt and Trace are the caller's to set.
func Plan(e *event.Event, s *store.Store) *queue.Submission {
	submission := &queue.Submission{Event: e, Priority: s.Priority(e.Type)}
	customer := reader{event: e, store: s}
	for _, c := range s.Channels {
		if part := customer.onChannel(c); len(part.Recipients)+len(part.Skipped) > 0 {
			submission.Channels = append(submission.Channels, part)
		}
	}
	if len(submission.Channels) == 0 && len(s.Channels) > 0 {
		submission.Channels = []queue.ChannelSubmission{{Channel: s.Channels[0].Name}}
	}
	return submission
}

// reader reads the addresses of an event's customer. It remembers the number, which two channels need and the numbering plans take a while for.
type reader struct {
	event *event.Event
	store *store.Store

	read   bool
	number message.Address
	err    error
}

// onChannel returns the part of a channel.
func (r *reader) onChannel(c store.Channel) queue.ChannelSubmission {
	part := queue.ChannelSubmission{Channel: c.Name}
	raw := r.event.Customer.Phone
	if c.Name == message.Email {
		raw = r.event.Customer.Email
	}
	var customer message.Address
	if raw != "" {
		to, err := r.address(c.Name, raw)
		if err != nil {
			part.Skipped = append(part.Skipped, queue.Skipped{Channel: c.Name, Address: mask(raw), Reason: err.Error()})
		} else {
			customer = to.Key()
			part.Recipients = append(part.Recipients, message.Recipient{Address: to, Audience: message.Customer})
		}
	}
	for _, one := range c.Recipients {
		if one.Address.Key() != customer {
			part.Recipients = append(part.Recipients, one)
		}
	}
	return part
}

// mask masks a text that is no address.
func mask(raw string) string {
	if len(raw) > address.MaxRaw {
		return message.Mask("")
	}
	return message.Mask(message.Clean(raw))
}

// address returns the customer's address on a channel. Errors: those of package address, and the store's MayWrite.
func (r *reader) address(channel message.Channel, raw string) (message.Address, error) {
	if channel == message.Email {
		return address.Email(raw)
	}
	if r.read {
		return r.number, r.err
	}
	region := r.event.Customer.Region
	if !address.HasNumbers(region) { // there is none, or it is Antarctica
		region = r.store.Region
	}
	r.read = true
	if r.number, r.err = address.Phone(raw, region); r.err == nil && r.store.MayWrite != nil {
		r.err = r.store.MayWrite(r.number)
	}
	return r.number, r.err
}
