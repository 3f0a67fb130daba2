package admin

import (
	"errors"

	"ringup.dev/ringup/internal/preview"
)

// Preview is what would go out for a webhook.
type Preview struct {
	*preview.Result
	Currency string `json:"currency"` // of costs
}

// Preview renders what would go out for a sample or a payload. Nothing is sent and nothing is stored. Every country is allowed: ALLOWED_COUNTRIES is
// ingest's. A request or a payload that makes no sense is refused.
func (a *Admin) Preview(r *preview.Request) (*Preview, error) {
	p := preview.Previewer{Store: a.Store, Renderer: a.Renderer, Prices: a.Prices}
	result, err := p.Render(r)
	if invalid, is := errors.AsType[*preview.InvalidError](err); is {
		return nil, refuse("%v", invalid)
	}
	if err != nil {
		return nil, err
	}
	return &Preview{Result: result, Currency: a.Currency}, nil
}
