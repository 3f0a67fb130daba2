package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
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
