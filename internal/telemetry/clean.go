package telemetry

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how much of a text is logged, in bytes: enough for an error with its causes, and not for a body.
const maxText = 2048

// clean makes the texts of a record fit for people's terminals and for what collects logs, whatever they come from: a till, a provider, an
// operator's browser. The key, the level and the time are the program's own.
func clean(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Clean(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(Clean(v.Error()))
		case fmt.Stringer:
			a.Value = slog.StringValue(Clean(v.String()))
		case []string:
			cleaned := make([]string, len(v))
			for i := range v {
				cleaned[i] = Clean(v[i])
			}
			a.Value = slog.AnyValue(cleaned)
		}
	}
	return a
}

// Clean returns a text from outside as it may be logged: at most maxText bytes, and without characters that cannot be seen, that a terminal acts
// upon or that turn text around. Each of them becomes U+FFFD. Newlines and tabs stay: both log formats escape them.
func Clean(s string) string {
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = fmt.Sprintf("%s… (%d bytes)", s[:cut], len(s))
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f { // most texts have none
			return strings.Map(visible, s)
		}
	}
	return s
}

func visible(r rune) rune {
	if r == '\n' || r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}
