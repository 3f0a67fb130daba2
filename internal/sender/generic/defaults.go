package generic

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
)

// WithDefaults fills the fields that a payload leaves out: the id with the one given, the timestamp with now, everything else from
// the sample of its event type (pos_save if it has none). For tests of a system, where a person types no more than they must.
// Errors: *SyntaxError, *InvalidError when it is no object.
func WithDefaults(body []byte, id string, now time.Time) ([]byte, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(body, &given); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &SyntaxError{Offset: syntax.Offset, Reason: "unexpected character or end"}
		}
		return nil, &InvalidError{Problems: []inbound.FieldError{{Message: "must be an object"}}}
	}
	kind := event.POSSave
	if raw, found := given["event_type"]; found {
		_ = json.Unmarshal(raw, &kind) // a wrong one stays, for Decode to name
	}
	sample := Sample(kind)
	if sample == nil {
		sample = Sample(event.POSSave)
	}
	var merged map[string]json.RawMessage
	if err := json.Unmarshal(sample, &merged); err != nil {
		return nil, fmt.Errorf("sample of %s: %w", kind, err)
	}
	merged["id"], _ = json.Marshal(id)
	merged["timestamp"], _ = json.Marshal(now.UTC().Format(time.RFC3339))
	data := merged["data"]
	for name, value := range given {
		merged[name] = value
	}
	if raw, found := given["data"]; found {
		var sampled, mine map[string]json.RawMessage
		if json.Unmarshal(data, &sampled) == nil && json.Unmarshal(raw, &mine) == nil && mine != nil {
			for name, value := range mine {
				sampled[name] = value
			}
			merged["data"], _ = json.Marshal(sampled)
		}
	}
	return json.Marshal(merged)
}
