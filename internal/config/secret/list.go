package secret

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// List has the credentials of a variable that takes several, with commas between, so that one can be replaced without an outage: the first
// signs or is sent, any of them verifies. It prints, logs and marshals as "[secret]".
type List []String

// ParseList reads a list. Spaces around an entry and empty entries are left out, so "" and " , " are the empty list.
func ParseList(text string) List {
	var out List
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, String(part))
		}
	}
	return out
}

// First returns the credential that signs or is sent; "" of an empty list.
func (l List) First() String {
	if len(l) == 0 {
		return ""
	}
	return l[0]
}

// EnvDecode reads a variable (github.com/sethvargo/go-envconfig). It takes any text.
func (l *List) EnvDecode(text string) error {
	*l = ParseList(text)
	return nil
}

// String hides the values.
func (l List) String() string { return hidden }

// Format hides the values from fmt, whatever the verb.
func (l List) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the values from slog.
func (l List) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the values from encoders (JSON among them).
func (l List) MarshalText() ([]byte, error) { return []byte(hidden), nil }
