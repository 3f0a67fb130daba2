package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
)

// TestPayloadIsMasked: whatever a till wrote of a person is not in the payload that operators see, and the payload is JSON.
func TestPayloadIsMasked(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-z]{8,12}`)
	rapid.Check(t, func(t *rapid.T) {
		secrets := []string{word.Draw(t, "name"), word.Draw(t, "local"), rapid.StringMatching(`[0-9]{9}`).Draw(t, "number"), word.Draw(t, "extra"), word.Draw(t, "token")}
		extra, err := json.Marshal(map[string]any{"address": secrets[3], "more": map[string]any{"phone": secrets[2]}, "number": json.Number(strings.TrimLeft(secrets[2], "0") + "1")})
		if err != nil {
			t.Fatal(err)
		}
		e := &event.Event{ID: "w1", Type: event.PaymentComplete, Customer: event.Customer{Name: "A" + secrets[0] + " Smith", Phone: "+1" + secrets[2], Email: "x" + secrets[1] + "@example.com"}, Extra: string(extra),
			Sale: event.Sale{OrderName: "#1001", Total: "12.50", ReceiptURL: "https://shop.example/r/" + secrets[4]}, Items: make([]event.Item, rapid.IntRange(0, 150).Draw(t, "items"))}
		shown := payload(e)
		for i, secret := range secrets {
			if strings.Contains(shown, secret) {
				t.Fatalf("secret %d is shown: %s", i, shown)
			}
		}
		for _, text := range []string{`"A•••"`, "x•••@example.com", "shop.example/•••", `"address": "•••"`, "#1001"} {
			if !strings.Contains(shown, text) {
				t.Fatalf("there is no %s in %s", text, shown)
			}
		}
		if !json.Valid([]byte(shown)) {
			t.Fatalf("not JSON: %s", shown)
		}
	})
}
