package transport

import "crypto/x509"

// NewTrusting returns a pool that trusts the authorities of a test's server.
func NewTrusting(concurrency int, authorities *x509.CertPool) *Client {
	c := New(concurrency)
	c.pool.TLSClientConfig.RootCAs, c.probes.TLSClientConfig.RootCAs = authorities, authorities
	return c
}
