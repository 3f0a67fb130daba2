// Package envstore reads the environment as one store, which has the id "default".
package envstore

import (
	"errors"
	"fmt"
	"slices"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// Brand is how the store presents itself in messages.
type Brand struct {
	// DefaultLocale is the language of a message whose payload names none that there are templates for.
	DefaultLocale string `env:"DEFAULT_LOCALE, default=en"`
	// BusinessName is the shop's name, as messages show it.
	BusinessName string `env:"BUSINESS_NAME, default=Your shop"`
}

// Recipients has the channels that messages go out on, and the staff that get a message with every webhook.
type Recipients struct {
	// Channels that messages go out on.
	Channels []string `env:"CHANNELS, default=sms,email,whatsapp"`
	// SMSRecipients are the numbers that get a text for staff with every webhook.
	SMSRecipients []string `env:"SMS_DEFAULT_RECIPIENTS"`
	// EmailRecipients are the addresses that get an e-mail for staff with every webhook.
	EmailRecipients []string `env:"EMAIL_DEFAULT_RECIPIENTS"`
	// WhatsAppRecipients are the numbers that get a WhatsApp message for staff with every webhook.
	WhatsAppRecipients []string `env:"WHATSAPP_DEFAULT_RECIPIENTS"`
}

// ReadAddress reads an address as it was written, as address.Read does. It is handed in because it links the numbering plans, which workers do
// without.
type ReadAddress func(channel message.Channel, raw, region string) (message.Address, error)

// Directory returns the directory of the store, for programs that render: the store has its name and locale, and its other fields are empty.
func (b Brand) Directory() store.Directory {
	return store.Only(&store.Store{ID: event.DefaultStore, Name: b.BusinessName, Locale: b.DefaultLocale})
}

// Store returns the store with its channels, recipients and priorities, for ingest; region is DEFAULT_REGION. The other fields stay empty. The error has
// every setting that cannot work, each with its variable.
func (r *Recipients) Store(region string, read ReadAddress) (*store.Store, error) {
	staff, err := r.staff(region, read)
	errs := []error{err}
	if len(r.Channels) == 0 {
		errs = append(errs, errors.New("CHANNELS is empty: set some of sms, email, whatsapp"))
	}
	s := &store.Store{ID: event.DefaultStore, Region: region, Priorities: store.DefaultPriorities}
	for _, name := range r.Channels {
		channel, err := message.ParseChannel(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("CHANNELS: %w", err))
		}
		s.Channels = append(s.Channels, store.Channel{Name: channel, Recipients: staff[channel]})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// staff reads the default recipients of every channel, also of those that messages do not go out on. A person who is listed twice, in another
// spelling perhaps, gets one message: see Twice.
func (r *Recipients) staff(region string, read ReadAddress) (map[message.Channel][]message.Recipient, error) {
	all := map[message.Channel][]message.Recipient{}
	var errs []error
	for _, setting := range r.settings() {
		for i, raw := range setting.list {
			to, err := read(setting.channel, raw, region)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: number %d is %w", setting.variable, i+1, err))
				continue
			}
			listed := func(r message.Recipient) bool { return r.Address.Key() == to.Key() }
			if !slices.ContainsFunc(all[setting.channel], listed) {
				all[setting.channel] = append(all[setting.channel], message.Recipient{Address: to, Audience: message.Staff})
			}
		}
	}
	return all, errors.Join(errs...)
}

// setting is a variable with the recipients of a channel.
type setting struct {
	channel  message.Channel
	variable string
	list     []string
}

func (r *Recipients) settings() []setting {
	return []setting{
		{message.SMS, "SMS_DEFAULT_RECIPIENTS", r.SMSRecipients},
		{message.WhatsApp, "WHATSAPP_DEFAULT_RECIPIENTS", r.WhatsAppRecipients},
		{message.Email, "EMAIL_DEFAULT_RECIPIENTS", r.EmailRecipients},
	}
}

// Twice names the default recipients that a variable has twice, for a warning at the start: each is a person who gets one message.
func (r *Recipients) Twice(region string, read ReadAddress) []string {
	var twice []string
	for _, s := range r.settings() {
		first := map[message.Address]int{}
		for i, raw := range s.list {
			to, err := read(s.channel, raw, region)
			if err != nil {
				continue // Store reports it
			}
			if n, listed := first[to.Key()]; listed {
				twice = append(twice, fmt.Sprintf("%s: numbers %d and %d are one person (%s)", s.variable, n, i+1, to))
			} else {
				first[to.Key()] = i + 1
			}
		}
	}
	return twice
}
