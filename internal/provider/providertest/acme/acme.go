// Package acme is the example of docs/adding-a-provider.md: a provider of SMS that does not exist, in both directions. The page shows the parts
// between the marks; a test holds it to them.
package acme

import "ringup.dev/ringup/internal/failure"

// example: codes

// Name is the catalog's.
const Name = "acme"

// codes are Acme's (docs.acme.example/errors), for answers and for events.
var codes = map[string]failure.Error{
	"no_such_number": {Class: failure.Permanent, Reason: failure.ReasonRecipient},
	"stopped":        {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true},
	"no_credit":      {Class: failure.Account, Reason: failure.ReasonBalance},
	"internal":       {Class: failure.Transient, Reason: failure.ReasonOutage},
}

// Code says what a code means; false for an unknown code.
func Code(code string) (failure.Error, bool) {
	meaning, known := codes[code]
	return meaning, known
}

// example: end
