// Package email reads e-mail addresses. It lies beside package address, which knows the numbering plans of all countries, so that workers can
// link it without them.
package email

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"ringup.dev/ringup/internal/message"
)

// Err is the error of a text that is not an e-mail address; answers and records show it.
var Err = errors.New("not an e-mail address")

// maxLocal is the length of the part before the @, in bytes (RFC 5321, section 4.5.3.1.1).
const maxLocal = 64

// maxRaw is the length of the longest text that is looked at, in bytes: an address with what may be pasted along.
const maxRaw = 4 * message.MaxAddress

// Parse returns a bare address (RFC 5322 addr-spec), its domain in ASCII (RFC 5891). What is pasted along is left out, as message.Clean does, and so
// is the scheme of a link (RFC 6068). Errors: Err.
func Parse(text string) (message.Address, error) {
	if len(text) > maxRaw {
		return "", Err
	}
	text = message.Clean(text)
	if scheme := "mailto:"; len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		text = text[len(scheme):]
	}
	if len(text) > message.MaxAddress || strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsAny(text, "<>\" ,;") {
		return "", Err
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Name != "" || parsed.Address != text {
		return "", Err
	}
	at := strings.LastIndexByte(text, '@')
	local, domain := text[:at], text[at+1:]
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(strings.Trim(ascii, "."), ".") || strings.HasSuffix(ascii, ".") || len(local) > maxLocal || len(local)+len("@")+len(ascii) > message.MaxAddress {
		return "", Err
	}
	if top := ascii[strings.LastIndexByte(ascii, '.')+1:]; isDigit(top[0]) {
		return "", Err // an IP address
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", Err // SMTPUTF8, which none of the providers takes
	}
	return message.Address(local + "@" + ascii), nil
}

// ParseHeader returns the address in a line of an e-mail's head, as Jane Roe <jane.roe@example.com>, or a bare address; a bounce may quote
// either. Errors: Err.
func ParseHeader(text string) (message.Address, error) {
	if parsed, err := mail.ParseAddress(text); err == nil {
		text = parsed.Address
	}
	return Parse(text)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
