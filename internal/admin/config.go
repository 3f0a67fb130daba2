package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strconv"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/proxies"
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
func (c *Config) proxies() (proxies.List, error) {
	return proxies.Parse("ADMIN_TRUSTED_PROXY", c.TrustedProxy)
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
