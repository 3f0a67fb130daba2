package secret

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// MinKey is how many bytes a Key has at least: 128 bits where they are random, which nobody guesses. HMAC asks for 112 (NIST SP 800-131A, section 10).
const MinKey = 16

// Key is a secret that ringup shares with a client and checks, as a token or the key of a signature. Unlike a String, which a provider
// checks, it is refused when it is short: a client that guesses it is let in. It prints, logs and marshals as "[secret]".
type Key string

// Keys has the keys of a variable that takes several, with commas between, so that one can be replaced without an outage: the first signs or is
// sent, any of them verifies. It prints, logs and marshals as "[secret]".
type Keys []Key

// KeyError is the error of a text that is no Key. It has nothing of the text but its length.
type KeyError struct {
	Number int // of the key among several, from 1; 0 for the only one
	Bytes  int
}

// Error continues the name of a variable.
func (e *KeyError) Error() string {
	of := ""
	if e.Number > 0 {
		of = fmt.Sprintf("number %d ", e.Number)
	}
	if e.Bytes == 0 {
		return of + "is empty: leave it out, or set a key of " + enough
	}
	return fmt.Sprintf("%shas %d bytes: set a key of %s", of, e.Bytes, enough)
}

// enough says what a key is made with.
var enough = fmt.Sprintf("%d bytes or more, as from `openssl rand -hex 32`", MinKey)

// CheckKey refuses a key that is too short, as it is after decoding. Errors: *KeyError.
func CheckKey(key []byte) error {
	if len(key) < MinKey {
		return &KeyError{Bytes: len(key)}
	}
	return nil
}

// ParseKey reads a key. Spaces around it do not count. Errors: *KeyError.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if err := CheckKey([]byte(text)); err != nil {
		return "", err
	}
	return Key(text), nil
}

// ParseKeys reads a list. Spaces around a key do not count; an empty key does, and is refused. Errors: *KeyError.
func ParseKeys(text string) (Keys, error) {
	parts := strings.Split(text, ",")
	out := make(Keys, len(parts))
	for i, part := range parts {
		var err error
		if out[i], err = ParseKey(part); err != nil {
			short := &KeyError{Bytes: len(strings.TrimSpace(part))}
			if len(parts) > 1 {
				short.Number = i + 1
			}
			return nil, short
		}
	}
	return out, nil
}

// First returns the key that signs or is sent; "" of an empty list.
func (k Keys) First() Key {
	if len(k) == 0 {
		return ""
	}
	return k[0]
}

// EnvDecode reads a variable (github.com/sethvargo/go-envconfig), which calls it with "" for one that is not set. Errors: *KeyError.
func (k *Key) EnvDecode(text string) (err error) {
	if text != "" {
		*k, err = ParseKey(text)
	}
	return err
}

// EnvDecode reads a variable (github.com/sethvargo/go-envconfig), which calls it with "" for one that is not set. Errors: *KeyError.
func (k *Keys) EnvDecode(text string) (err error) {
	if text != "" {
		*k, err = ParseKeys(text)
	}
	return err
}

// Reveal returns the value itself, for the one place that needs it.
func (k Key) Reveal() string { return string(k) }

// String hides the value.
func (k Key) String() string { return hidden }

// Format hides the value from fmt, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the value from slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from encoders (JSON among them).
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// String hides the values.
func (k Keys) String() string { return hidden }

// Format hides the values from fmt, whatever the verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the values from slog.
func (k Keys) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the values from encoders (JSON among them).
func (k Keys) MarshalText() ([]byte, error) { return []byte(hidden), nil }
