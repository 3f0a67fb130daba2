package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"strings"

	"ringup.dev/ringup/internal/config/secret"
)

// Signed reports whether a signature is the HMAC of some parts, one behind the other, with one of the keys. All keys are tried, so that the time it takes
// says nothing about them.
func Signed(algorithm func() hash.Hash, keys [][]byte, signature []byte, parts ...[]byte) bool {
	good := 0
	for _, key := range keys {
		mac := hmac.New(algorithm, key)
		for _, part := range parts {
			mac.Write(part)
		}
		good |= subtle.ConstantTimeCompare(mac.Sum(nil), signature)
	}
	return good == 1
}

// HasKey reports whether a text is one of the keys, in a time that does not depend on either.
func HasKey(keys [][]byte, text string) bool {
	sum, good := sha256.Sum256([]byte(text)), 0
	for _, key := range keys {
		one := sha256.Sum256(key)
		good |= subtle.ConstantTimeCompare(one[:], sum[:])
	}
	return good == 1
}

// VerifyPath checks the key at the end of a path, which a webhook that is not signed has instead. Errors: *UnauthorizedError.
func VerifyPath(keys [][]byte, d *Delivery) error {
	if !HasKey(keys, d.Key) {
		return &UnauthorizedError{Detail: "the key in the path is not that of the store"}
	}
	return nil
}

// CheckPathKeys refuses keys that cannot be a part of a path as they are. The error names their variable.
func CheckPathKeys(variable string, keys secret.Keys) error {
	for _, key := range keys {
		if strings.ContainsFunc(key.Reveal(), func(r rune) bool { return !strings.ContainsRune(pathCharacters, r) }) {
			return errors.New(variable + " has other characters than letters, digits, - and _: set a key as from `openssl rand -hex 32`")
		}
	}
	return nil
}

// pathCharacters need no escape in a path, and are taken out of it by no proxy.
const pathCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
