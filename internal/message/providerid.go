package message

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// MaxProviderID is the length of the longest id of a provider that is kept as it is; the longest in use, those of WhatsApp, have some 100 bytes.
const MaxProviderID = 200

// ProviderID returns a provider's id of a message or of an event as it is stored, logged and answered: as it is, or where it is longer than
// MaxProviderID or has something else than printable ASCII, a part of it and a hash of all, so that two of them stay different. The result for a result
// is itself.
func ProviderID(id string) string {
	const head = 150
	printable := func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return -1
		}
		return r
	}
	start := strings.Map(printable, id[:min(len(id), MaxProviderID)])
	if start == id {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return start[:min(len(start), head)] + "~" + base64.RawURLEncoding.EncodeToString(sum[:16])
}
