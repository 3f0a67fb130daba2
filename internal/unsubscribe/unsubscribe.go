// Package unsubscribe makes and reads the links that end e-mails with one click (RFC 8058). Only ringup can read their tokens. Workers make them;
// ingest serves the page below.
package unsubscribe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync/atomic"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
)

// Config says where links lead, and has the secrets that seal them.
type Config struct {
	// PublicURL is what the world calls ingest by, as https://hooks.example.com: delivery reports come there, and unsubscribe links lead there.
	PublicURL string `env:"PUBLIC_URL"`
	// Secrets that unsubscribe links are sealed with, separated by commas: the first seals, any of them opens. A link works for as long as
	// its secret is here. Without one e-mails have no such link.
	Secrets secret.Keys `env:"UNSUBSCRIBE_SECRET"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if len(c.Secrets) == 0 {
		return nil
	}
	_, err := base(c.PublicURL)
	return err
}

// base reads PUBLIC_URL. Mail programs act on https only (RFC 8058, section 3.1); http will do for a host that cannot be reached from outside.
func base(public string) (*url.URL, error) {
	u, err := url.Parse(public)
	switch {
	case public == "":
		return nil, errors.New("PUBLIC_URL is empty: set the address of ingest from outside, as https://hooks.example.com, for UNSUBSCRIBE_SECRET's links")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("PUBLIC_URL is not the address of ingest: set it as https://hooks.example.com")
	case u.Scheme == "http" && !inside(u.Hostname()):
		return nil, errors.New("PUBLIC_URL begins with http: mail programs unsubscribe over https only, so set it as https://hooks.example.com")
	}
	return u.JoinPath(Path), nil
}

// Path is where links lead, below PUBLIC_URL.
const Path = "/unsubscribe"

// inside reports whether a host is of this machine, this network or this cluster.
func inside(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".cluster.local")
}

// Links makes links, and reads them. It is safe for concurrent use, also while its secrets are replaced. A nil one makes "" and opens nothing.
type Links struct {
	base *url.URL
	keys atomic.Pointer[[]cipher.AEAD] // one or more
}

// New returns the links of a configuration; nil when it has no secret.
func New(c Config) (*Links, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(c.Secrets) == 0 {
		return nil, nil
	}
	u, err := base(c.PublicURL)
	if err != nil {
		return nil, err
	}
	l := &Links{base: u}
	return l, l.Use(c)
}

// Use replaces the secrets, and nothing else. Without one in c nothing changes.
func (l *Links) Use(c Config) error {
	if l == nil || len(c.Secrets) == 0 {
		return nil
	}
	var keys []cipher.AEAD
	for _, s := range c.Secrets {
		key := sha256.Sum256([]byte(s.Reveal()))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return err
		}
		// Nonces at random are good for 2^32 links of a secret (NIST SP 800-38D, section 8.3).
		sealed, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return err
		}
		keys = append(keys, sealed)
	}
	l.keys.Store(&keys)
	return nil
}

// A token is base64url of a version, a nonce, the sealed address and the tag; the version is authenticated too. It has no expiry: a person
// who finds an old e-mail may unsubscribe with it.
const (
	version = 1
	// maxToken is the length of the longest address's: 254 bytes (RFC 5321), the version, a nonce of 12 and a tag of 16.
	maxToken = (254 + 1 + 12 + 16 + 2) / 3 * 4
)

// URL returns the link for an address; each call makes another one. It is "" of nil.
func (l *Links) URL(to message.Address) string {
	if l == nil {
		return ""
	}
	token := (*l.keys.Load())[0].Seal([]byte{version}, nil, []byte(to.Reveal()), []byte{version}) //nolint:gosec // G407: its nonce is random
	return l.base.JoinPath(base64.RawURLEncoding.EncodeToString(token)).String()
}

// ErrToken is the error of a token that was not made with one of the secrets.
var ErrToken = errors.New("not an unsubscribe token")

// Open returns the address that a token was made for. Errors: ErrToken.
func (l *Links) Open(token string) (message.Address, error) {
	if l == nil || len(token) > maxToken {
		return "", ErrToken
	}
	// One token is one text: Strict, and no line breaks, which the decoder passes over.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") || len(raw) < 1 || raw[0] != version {
		return "", ErrToken
	}
	for _, key := range *l.keys.Load() {
		if address, err := key.Open(nil, nil, raw[1:], raw[:1]); err == nil && len(address) > 0 {
			return message.Address(address), nil
		}
	}
	return "", ErrToken
}
