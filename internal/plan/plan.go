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
// event has an address for it, and then each of the channel's recipients whose address is another. A customer's address that cannot be read is
// skipped, with the reason. A submission without a message still has one channel, so that the queue remembers the event. AcceptedAt and Trace
// are the caller's to set.
func Plan(e *event.Event, s *store.Store) *queue.Submission {
	submission := &queue.Submission{Event: e, Priority: s.Priority(e.Type)}
	for _, c := range s.Channels {
		if part := onChannel(e, s, c); len(part.Recipients)+len(part.Skipped) > 0 {
			submission.Channels = append(submission.Channels, part)
		}
	}
	if len(submission.Channels) == 0 && len(s.Channels) > 0 {
		submission.Channels = []queue.ChannelSubmission{{Channel: s.Channels[0].Name}}
	}
	return submission
}

// onChannel returns the part of a channel.
func onChannel(e *event.Event, s *store.Store, c store.Channel) queue.ChannelSubmission {
	part := queue.ChannelSubmission{Channel: c.Name}
	raw := e.Customer.Phone
	if c.Name == message.Email {
		raw = e.Customer.Email
	}
	region := e.Customer.Region
	if region == "" {
		region = s.Region
	}
	var customer message.Address
	if raw != "" {
		to, err := address.Read(c.Name, raw, region)
		if err != nil {
			part.Skipped = append(part.Skipped, queue.Skipped{Channel: c.Name, Address: message.Mask(raw), Reason: err.Error()})
		} else {
			customer = to
			part.Recipients = append(part.Recipients, message.Recipient{Address: to, Audience: message.Customer})
		}
	}
	for _, r := range c.Recipients {
		if r.Address != customer {
			part.Recipients = append(part.Recipients, r)
		}
	}
	return part
}
