package admin

import (
	"fmt"

	"ringup.dev/ringup/internal/config/secret"
)

// Config says where the operators' pages are, and what operators may do there.
type Config struct {
	// Port serves the operators' pages. 0 takes a free one.
	Port int `env:"ADMIN_PORT, default=8080"`
	// Token that operators sign in with: on the page, as a bearer token, or as the password of any name. Without one, only this machine is let in.
	Token secret.String `env:"ADMIN_TOKEN"`
	// ReadOnly shows everything and changes nothing.
	ReadOnly bool `env:"ADMIN_READ_ONLY, default=false"`
	// Reveal lets operators see a recipient's whole address, which is recorded in the audit log each time; otherwise it stays masked.
	Reveal bool `env:"ADMIN_REVEAL, default=false"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("ADMIN_PORT is %d: set a port, as 8080", c.Port)
	}
	return nil
}

// Address is where to listen: on this machine alone when there is no token.
func (c *Config) Address() string {
	if c.Token == "" {
		return fmt.Sprintf("127.0.0.1:%d", c.Port)
	}
	return fmt.Sprintf(":%d", c.Port)
}
