package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
)

// Config says where the operators' pages are, and what operators may do there.
type Config struct {
	// Port serves the operators' pages. 0 takes a free one.
	Port int `env:"ADMIN_PORT, default=8080"`
	// Token that operators sign in with: on the page, as a bearer token, or as the password of any name; 16 bytes or more. Without ADMIN_TOKEN,
	// ADMIN_VIEW_TOKEN and ADMIN_TRUSTED_PROXY only this machine is let in.
	Token secret.Key `env:"ADMIN_TOKEN"`
	// ViewToken is another token, for operators who may look and search, and neither change nor reveal anything.
	ViewToken secret.Key `env:"ADMIN_VIEW_TOKEN"`
	// TrustedProxy has the addresses of proxies that sign operators in, as oauth2-proxy: 10.0.3.7 or 10.0.3.0/24, with commas between. The operator
	// is who X-Forwarded-Email or X-Forwarded-User names, and may do all that ADMIN_TOKEN allows. The client is the last address of X-Forwarded-For
	// that is no proxy's. From other addresses these headers count for nothing.
	TrustedProxy []string `env:"ADMIN_TRUSTED_PROXY"`
	// InsecureCookies lets operators sign in over http at another name than localhost: a client that sees the traffic can take a session over.
	InsecureCookies bool `env:"ADMIN_INSECURE_COOKIES, default=false"`
	// ReadOnly shows everything and changes nothing.
	ReadOnly bool `env:"ADMIN_READ_ONLY, default=false"`
	// Reveal lets operators see a recipient's whole address, which is recorded in the audit log each time; otherwise it stays masked. The outbox
	// of the sandbox shows whole addresses then, too.
	Reveal bool `env:"ADMIN_REVEAL, default=false"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("ADMIN_PORT is %d: set a port, as 8080", c.Port))
	}
	_, err := c.proxies()
	act, view := sha256.Sum256([]byte(c.Token.Reveal())), sha256.Sum256([]byte(c.ViewToken.Reveal()))
	if c.Token != "" && subtle.ConstantTimeCompare(act[:], view[:]) == 1 {
		errs = append(errs, errors.New("ADMIN_VIEW_TOKEN is the same as ADMIN_TOKEN: set another value"))
	}
	return errors.Join(append(errs, err)...)
}

// proxies reads ADMIN_TRUSTED_PROXY.
func (c *Config) proxies() (out []netip.Prefix, err error) {
	for _, text := range config.NonEmpty(c.TrustedProxy) {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Bits() == 0 || prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("ADMIN_TRUSTED_PROXY has %q: set addresses or networks, as 10.0.3.7 or 10.0.3.0/24; never all of them", text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// open says that there is nothing to sign in with, so that only this machine is let in.
func (c *Config) open() bool {
	return c.Token == "" && c.ViewToken == "" && len(config.NonEmpty(c.TrustedProxy)) == 0
}

// Address is where to listen: at a host, on all interfaces if it is empty; on this machine alone when there is nothing to sign in with.
func (c *Config) Address(host string) string {
	if c.open() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(c.Port))
}

// trusted says that an address is of a proxy that signs operators in.
func trusted(proxies []netip.Prefix, addr netip.Addr) bool {
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// lastUntrusted is the last address of X-Forwarded-For that is no proxy's, as each proxy appends the address that it was called from; from itself
// when no address can be read.
func lastUntrusted(proxies []netip.Prefix, from netip.Addr, forwarded []string) netip.Addr {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return from
		}
		if from = addr.Unmap().WithZone(""); !trusted(proxies, from) {
			return from
		}
	}
	return from
}
