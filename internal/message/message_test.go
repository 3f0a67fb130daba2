package message_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/message"
)

// TestNothingPrintsAnAddress: in any of the ways in which a value reaches a text, an address is masked.
func TestNothingPrintsAnAddress(t *testing.T) {
	t.Parallel()
	for address, masked := range map[message.Address]string{
		"+12025550143": "+•••0143", "jane.roe@example.com": "j•••@example.com", "élodie@example.com": "é•••@example.com", "12345": "•••", "": "•••",
	} {
		of := message.Recipient{Address: address, Audience: message.Customer}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "to", address, "recipient", of, "all", []message.Address{address})
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "to", address, "recipient", of, "all", []message.Address{address})
		encoded, err := json.Marshal([]message.Recipient{of})
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{log.String(), string(encoded), address.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "% x", "%o", "%t"} {
			if got := fmt.Sprintf(verb, address); got != masked {
				t.Errorf("%s of %q: %q, want %q", verb, address.Reveal(), got, masked)
			}
			texts = append(texts, fmt.Sprintf(verb+verb+verb+verb, of, &of, []message.Address{address}, map[message.Address]int{address: 1}))
		}
		if len(address) <= 5 {
			continue // its parts are found in anything
		}
		raw := address.Reveal()
		local, _, _ := strings.Cut(strings.TrimPrefix(raw, "+"), "@")
		for _, text := range texts {
			for _, leak := range []string{raw, local, fmt.Sprintf("%x", local), fmt.Sprintf("%X", local), fmt.Sprintf("% x", local), strings.Trim(fmt.Sprintf("%d", []byte(local)), "[]")} {
				if leak != "" && strings.Contains(text, leak) {
					t.Errorf("%q is printed in %s", leak, text)
				}
			}
		}
	}
}
