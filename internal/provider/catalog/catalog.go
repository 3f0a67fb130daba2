// Package catalog is the list of the providers that send. To add one is a line of entries. Package callbacks is the list of those that call back.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/aws"
	awssend "ringup.dev/ringup/internal/provider/aws/send"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/provider/sendgrid"
	sendgridsend "ringup.dev/ringup/internal/provider/sendgrid/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/twilio"
	twiliosend "ringup.dev/ringup/internal/provider/twilio/send"
	"ringup.dev/ringup/internal/provider/whatsapp"
	whatsappsend "ringup.dev/ringup/internal/provider/whatsapp/send"
)

// Dependencies are what providers share.
type Dependencies struct {
	// Transport is the way out.
	Transport *transport.Client
	// Outbox returns the sandbox's outbox, which keeps a number of messages.
	Outbox func(keep int) sandbox.Outbox
}

// entry is one provider of some channels.
type entry struct {
	name     string
	channels []message.Channel
	config   func() any
	open     func(ctx context.Context, env envconfig.Lookuper, d Dependencies) (Named, error)
}

// entries are all providers. A name may stand for another adapter on another channel.
var entries = []entry{
	over(twilio.Name, message.SMS, twiliosend.NewSMS),
	over(aws.Name, message.SMS, awssend.NewSNS),
	over(sendgrid.Name, message.Email, sendgridsend.New),
	over(aws.Name, message.Email, awssend.NewSES),
	over(twilio.Name, message.WhatsApp, twiliosend.NewWhatsApp),
	over(whatsapp.Name, message.WhatsApp, whatsappsend.New),
	of("sandbox", message.Channels, func(c sandbox.Config, d Dependencies) (provider.Provider, error) {
		return sandbox.New(c, d.Outbox(c.OutboxSize))
	}),
}

// of makes an entry of a constructor and the struct it is configured by.
func of[C any](name string, channels []message.Channel, build func(C, Dependencies) (provider.Provider, error)) entry {
	return entry{
		name: name, channels: channels, config: func() any { return new(C) },
		open: func(ctx context.Context, env envconfig.Lookuper, d Dependencies) (Named, error) {
			var c C
			if err := config.Read(ctx, env, &c); err != nil {
				return Named{}, err
			}
			current, err := build(c, d)
			if err != nil {
				return Named{}, err
			}
			p := newRenewed(current)
			return Named{Name: name, Provider: p.provider(), Follow: func(ctx context.Context, log *slog.Logger) {
				config.Follow(ctx, env, log.With("provider", name), c, func(c C) error {
					next, err := build(c, d)
					if err == nil {
						p.current.Store(&next)
					}
					return err
				})
			}}, nil
		},
	}
}

// over makes an entry of an adapter that speaks HTTP.
func over[C any, P provider.Provider](name string, channel message.Channel, build func(C, *transport.Client) (P, error)) entry {
	return of(name, []message.Channel{channel}, func(c C, d Dependencies) (provider.Provider, error) { return build(c, d.Transport) })
}

// Names returns the providers of a channel.
func Names(channel message.Channel) []string {
	var names []string
	for _, e := range entries {
		if slices.Contains(e.channels, channel) {
			names = append(names, e.name)
		}
	}
	return names
}

// Configs returns the structs that providers are configured by, for the reference of the configuration.
func Configs() []any {
	var out []any
	for _, e := range entries {
		out = append(out, e.config())
	}
	return out
}

// Config returns the struct that a channel's provider is configured by; nil if the channel has no provider of that name.
func Config(channel message.Channel, name string) any {
	for _, e := range entries {
		if e.name == name && slices.Contains(e.channels, channel) {
			return e.config()
		}
	}
	return nil
}

// Named is a provider and the name it was configured by.
type Named struct {
	Name     string
	Provider provider.Provider
	// Follow replaces the provider's secrets when their files change, until ctx ends: see config.Follow.
	Follow func(ctx context.Context, log *slog.Logger)
}

// New builds a channel's providers, in the order named, each configured from the environment. The error has every problem of all
// of them; variable is the name of the variable that has names.
func New(ctx context.Context, channel message.Channel, variable string, names []string, env envconfig.Lookuper, d Dependencies) ([]Named, error) {
	possible := strings.Join(Names(channel), ", ")
	byName := map[string]entry{}
	for _, e := range entries {
		if slices.Contains(e.channels, channel) {
			byName[e.name] = e
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s is empty: set one or more of %s, the preferred one first", variable, possible)
	}
	var out []Named
	var errs []error
	for i, name := range names {
		e, known := byName[name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("%s names %q: there are %s", variable, name, possible))
			continue
		case slices.Contains(names[:i], name):
			errs = append(errs, fmt.Errorf("%s names %q twice", variable, name))
			continue
		}
		one, err := e.open(ctx, env, d)
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: %w", name, err))
			continue
		}
		out = append(out, one)
	}
	return out, errors.Join(errs...)
}
