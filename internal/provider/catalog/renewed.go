package catalog

import (
	"context"
	"sync/atomic"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
)

// renewed is a provider that can be replaced by another one of the same settings with other secrets. A call that is under way ends with the secrets
// that it began with.
type renewed struct {
	current atomic.Pointer[provider.Provider]
}

func newRenewed(p provider.Provider) *renewed {
	r := &renewed{}
	r.current.Store(&p)
	return r
}

// provider returns what the worker calls: an OptOutLister where the provider is one.
func (r *renewed) provider() provider.Provider {
	if _, lists := (*r.current.Load()).(provider.OptOutLister); lists {
		return renewedLister{r}
	}
	return r
}

// Send implements provider.Provider.
func (r *renewed) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	return (*r.current.Load()).Send(ctx, m)
}

// Probe implements provider.Provider.
func (r *renewed) Probe(ctx context.Context) error { return (*r.current.Load()).Probe(ctx) }

// Traits implements provider.Provider.
func (r *renewed) Traits() provider.Traits { return (*r.current.Load()).Traits() }

type renewedLister struct{ *renewed }

// OptedOut implements provider.OptOutLister.
func (r renewedLister) OptedOut(ctx context.Context, each func(message.Address) error) error {
	return (*r.current.Load()).(provider.OptOutLister).OptedOut(ctx, each) //nolint:forcetypeassert // the same constructor made it
}
