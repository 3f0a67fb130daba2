// Package envstore reads the environment as one store, which has the id "default".
package envstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/value"
)

// Brand is how the store presents itself in messages and on the unsubscribe page.
type Brand struct {
	// DefaultLocale is the language of a message whose payload names none that there are templates for.
	DefaultLocale string `env:"DEFAULT_LOCALE, default=en"`
	// BusinessName is the shop's name, as messages and the unsubscribe page show it.
	BusinessName string `env:"BUSINESS_NAME, default=Your shop"`
	// BusinessLogoURL is the https address of a picture for the head of e-mails, 48 pixels high.
	BusinessLogoURL string `env:"BUSINESS_LOGO_URL"`
	// BusinessColor is the color of the head of e-mails, as #0b5fff; the text on it is black or white, whichever is easier to read.
	BusinessColor string `env:"BUSINESS_COLOR"`
	// BusinessAddress is the shop's address, for the foot of e-mails.
	BusinessAddress string `env:"BUSINESS_ADDRESS"`
	// BusinessTaxNumber is the shop's tax number, for the foot of e-mails.
	BusinessTaxNumber string `env:"BUSINESS_TAX_NUMBER"`
	// BusinessSupport is the number or the address that customers may ask, for the foot of e-mails.
	BusinessSupport string `env:"BUSINESS_SUPPORT"`
	// BusinessReplyTo is the e-mail address that answers to e-mails go to; without it they go to EMAIL_FROM.
	BusinessReplyTo string `env:"BUSINESS_REPLY_TO"`
	// DefaultCurrency is the currency, by ISO 4217, of amounts whose payload names none, as EUR; empty where that is not known.
	DefaultCurrency string `env:"DEFAULT_CURRENCY"`
	// DefaultTimezone is the IANA name of the shop's time zone, as Europe/Berlin: of times without a zone, and of customers whose own is not known.
	DefaultTimezone string `env:"DEFAULT_TIMEZONE, default=UTC"`
}

// Validate reports every setting that cannot work, each with its variable.
func (b Brand) Validate() error {
	var errs []error
	if _, ok := value.Currency(b.DefaultCurrency); !ok && b.DefaultCurrency != "" {
		errs = append(errs, fmt.Errorf("DEFAULT_CURRENCY is %q: set a currency by ISO 4217, as USD or EUR, or nothing", b.DefaultCurrency))
	}
	if _, ok := value.Zone(b.DefaultTimezone); !ok {
		errs = append(errs, fmt.Errorf("DEFAULT_TIMEZONE is %q: set the IANA name of a time zone, as Europe/Berlin or UTC", b.DefaultTimezone))
	}
	return errors.Join(append(errs, b.validateLook())...)
}

// TimeZone returns the IANA name of the shop's time zone: UTC where Validate refuses the setting.
func (b Brand) TimeZone() string {
	zone, ok := value.Zone(b.DefaultTimezone)
	if !ok {
		return "UTC"
	}
	return zone
}

// Describe gives a store the name, locale, currency, time zone and brand.
func (b Brand) Describe(s *store.Store) {
	s.Name, s.Locale, s.TimeZone = b.BusinessName, b.DefaultLocale, b.TimeZone()
	s.Currency, _ = value.Currency(b.DefaultCurrency)
	s.Brand = b.look()
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

// Directory returns the directory of the store, for programs that render: the store is as Describe has it, and its other fields are empty.
func (b Brand) Directory() store.Directory {
	s := &store.Store{ID: event.DefaultStore}
	b.Describe(s)
	return store.Only(s)
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
	for i, name := range r.Channels {
		channel, err := message.ParseChannel(name)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("CHANNELS: %w", err))
		case slices.Contains(r.Channels[:i], name):
			errs = append(errs, fmt.Errorf("CHANNELS has %s twice: set each channel once", name))
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
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: number %d is %w", setting.variable, i+1, err))
				continue
			case setting.channel != message.Email && several(raw):
				errs = append(errs, fmt.Errorf("%s: number %d is several: put commas between them", setting.variable, i+1))
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

// minDigits is how many digits a number has at least.
const minDigits = 7

// several says whether an entry has several numbers, of which the first alone would be read: the others would get no messages.
func several(entry string) bool {
	numbers := func(parts []string) (n int) {
		for _, part := range parts {
			if len(part)-len(strings.Map(notDigit, part)) >= minDigits {
				n++
			}
		}
		return n
	}
	between := func(r rune) bool { return strings.ContainsRune(";|/&+\n", r) }
	return numbers(strings.FieldsFunc(entry, between)) > 1 || numbers(strings.Fields(entry)) > 1
}

// notDigit drops ASCII's digits from a text.
func notDigit(r rune) rune {
	if '0' <= r && r <= '9' {
		return -1
	}
	return r
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
