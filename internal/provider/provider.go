// Package provider is the contract with the services that carry messages away, in both directions. A Provider knows one service's dialect: it
// sends once, never waits, and says what kind of failure it saw; the worker decides the outcome. A Callback reads what the service reports
// afterwards; ingest serves it.
//
// Each service has one folder: what both directions know, and the callback, in the folder itself, which links no SDK; the adapter, with the
// SDK, below it in send.
package provider

import (
	"context"

	"ringup.dev/ringup/internal/message"
)

// Provider sends messages of one channel.
//
// Send hands the message to the provider once: no retry, no waiting, no longer than ctx allows. It is safe for concurrent
// use. A nil error means that the provider accepted the message (delivery is known later, if ever). Every other error is a
// *failure.Error; its text holds no secret and no recipient.
//
// Probe asks, as cheaply as the provider's API allows, whether a send could work: credentials, account state. Errors are as
// of Send.
//
// Traits depends on the configuration alone: every call returns the same.
type Provider interface {
	Send(ctx context.Context, m message.Message) (Receipt, error)
	Probe(ctx context.Context) error
	Traits() Traits
}

// Traits are the properties of a provider as it is configured.
type Traits struct {
	// Sender is the address that its messages come from: a number, a messaging service, an e-mail address, the Cloud API's phone number id. A
	// suppress.Preference names the same one; never empty.
	Sender string
	// Reports says that the provider reports deliveries, later and by callback; otherwise an accepted message is the last that is heard of it.
	Reports bool
	// NamesMessage says that its reports name the message by the provider's id alone, since it takes no value of ours along.
	NamesMessage bool
	// MaxText is how long a text may be.
	MaxText message.Limit
}

// OptOutLister is a Provider with a list of its own of people who want no more messages. It drops messages to them without a word.
//
// OptedOut hands every person on the list to each, in no order, and perhaps a person twice when the list changes meanwhile. It asks page
// by page, and no further once ctx ends or each returns an error. Errors are those of each, or as of Send; what was handed over until then is
// true.
type OptOutLister interface {
	OptedOut(ctx context.Context, each func(message.Address) error) error
}

// Receipt is the provider's answer to an accepted message.
type Receipt struct {
	MessageID string // the provider's id, by which delivery reports name the message
	// KnownAs is the recipient's address as the provider's callbacks name it, where the answer says so; "" otherwise. It may be another number than the one that was written to.
	KnownAs message.Address
}
