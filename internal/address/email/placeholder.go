package email

import (
	"errors"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/message"
)

// ErrPlaceholder is the error of a text that was typed where a person has no address; answers and records show it.
var ErrPlaceholder = errors.New("a placeholder, not the address of a person")

var (
	// nobody are the parts before the @ that nobody reads, at whatever domain. They are written without marks.
	nobody = []string{
		"none", "null", "undefined", "noemail", "nomail", "noemailaddress", "noemailprovided", "notprovided", "noreply", "donotreply", "noone", "nobody",
	}
	// anybody are parts that a person may have, but not at a domain of the same kind.
	anybody = []string{"na", "no", "nope", "test", "tester", "testing", "fake", "asdf", "abc", "xyz", "email", "mail", "unknown", "customer", "guest", "user", "name"}
)

// withoutMarks takes out what people put between the words of a local part. It is made once: that takes longer than all the rest of Placeholder.
var withoutMarks = strings.NewReplacer(".", "", "-", "", "_", "")

// Placeholder says whether an address was typed where a person has none: none@none.com, noemail@shop.com, test@test.com, x@x.com. The addresses of
// documentation (example.com, RFC 2606) are not meant.
func Placeholder(a message.Address) bool {
	local, domain, found := strings.Cut(strings.ToLower(a.Reveal()), "@")
	if !found {
		return false
	}
	local = withoutMarks.Replace(local)
	label, top, _ := strings.Cut(domain, ".")
	switch {
	case top == "invalid" || strings.HasSuffix(top, ".invalid"), slices.Contains(nobody, local):
		return true
	case slices.Contains(anybody, local):
		return slices.Contains(anybody, label) || slices.Contains(nobody, label)
	}
	return local == label && local != "" && strings.Count(local, local[:1]) == len(local)
}
