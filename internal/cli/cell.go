package cli

import (
	"regexp"
	"strings"
	"unicode"
)

// cell makes a text from outside fit for a table on a terminal: one cell, without characters that a terminal acts upon or that turn text
// around. Tables end up in spreadsheets too: a cell that one would take for a formula gets an apostrophe before it (OWASP, CSV injection).
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

// maskedNumber is no formula, although it begins like one.
var maskedNumber = regexp.MustCompile(`^\+•••[0-9]{4}$`)

// masked is a cell with a masked address, as +•••4242.
func masked(s string) string {
	if maskedNumber.MatchString(s) {
		return s
	}
	return cell(s)
}

// plain does the same to a text of several lines outside of tables. It leaves format characters that emoji and scripts need.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Co, unicode.Cs) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, s)
}
