// Package secret holds values that must never be printed.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is what every way of printing a String shows.
const hidden = "[secret]"

// String is a credential. It prints, logs and marshals as "[secret]"; only Reveal gives the value.
type String string

// Reveal returns the value itself, for the one place that needs it.
func (s String) Reveal() string { return string(s) }

// String hides the value.
func (s String) String() string { return hidden }

// Format hides the value from fmt, whatever the verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the value from slog.
func (s String) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from encoders (JSON among them).
func (s String) MarshalText() ([]byte, error) { return []byte(hidden), nil }
