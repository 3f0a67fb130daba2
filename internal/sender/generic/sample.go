package generic

import (
	"embed"

	"ringup.dev/ringup/internal/event"
)

//go:embed samples/*.json
var samples embed.FS

// Sample returns a valid payload of POST /webhooks/pos for an event type; nil for an unknown one.
func Sample(t event.Type) []byte {
	payload, err := samples.ReadFile("samples/" + string(t) + ".json")
	if err != nil {
		return nil
	}
	return payload
}
