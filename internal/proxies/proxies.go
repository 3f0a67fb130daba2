// Package proxies says whom a request comes from behind proxies that are trusted.
package proxies

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/config"
)

// List has the networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. The zero list trusts nobody.
type List []netip.Prefix

// Parse reads a setting's addresses and networks; empty texts are passed over. An IPv4 address may be written as one of IPv6 (::ffff:10.0.3.7). The error has every
// text that is neither, that has a zone, or that is everybody.
func Parse(setting string, texts []string) (List, error) {
	var out List
	var errs []error
	for _, text := range config.NonEmpty(texts) {
		network, err := parse(text)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s has %q: set addresses or networks, as 10.0.3.7 or 10.0.3.0/24", setting, text))
		case network.Bits() == 0:
			errs = append(errs, fmt.Errorf("%s has %q: that is everybody, and any client could name itself anything; set the proxies' own network", setting, text))
		default:
			out = append(out, network.Masked())
		}
	}
	return out, errors.Join(errs...)
}

// mappedBits are those before an IPv4 address that is written as one of IPv6.
const mappedBits = 128 - 32

var errNoNetwork = errors.New("no address and no network")

// parse reads an address, as the network of itself, or a network.
func parse(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if address, addressErr := netip.ParseAddr(text); addressErr == nil && address.Zone() == "" {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil || !network.Addr().Is4In6() {
		return network, err
	}
	if network.Bits() < mappedBits {
		return netip.Prefix{}, errNoNetwork
	}
	return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mappedBits), nil
}

// Has reports whether an address is a proxy's.
func (l List) Has(a netip.Addr) bool {
	return slices.ContainsFunc(l, func(network netip.Prefix) bool { return network.Contains(a) })
}

// Client returns whom a request comes from whose connection is from an address: the last address of X-Forwarded-For that is no proxy's, as each proxy appends the
// address that it was called from. The addresses before it are the client's own word. Where one cannot be read, it is the proxy behind it.
func (l List) Client(from netip.Addr, h http.Header) netip.Addr {
	if !l.Has(from) {
		return from
	}
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(hops) {
		address, err := hop(strings.TrimSpace(text))
		if err != nil {
			return from
		}
		if from = plain(address); !l.Has(from) {
			return from
		}
	}
	return from
}

// hop reads an address of X-Forwarded-For. Some proxies write the port behind it, and then, or always, brackets around one of IPv6.
func hop(text string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr(), nil
	}
	if inner, brackets := strings.CutPrefix(text, "["); brackets {
		if inner, brackets = strings.CutSuffix(inner, "]"); brackets && strings.Contains(inner, ":") {
			text = inner
		}
	}
	return netip.ParseAddr(text)
}

// Scheme returns how a request came to a proxy, by X-Forwarded-Proto: the client's own comes first where several proxies wrote it, as in Forwarded
// (RFC 7239, section 4). "" where no proxy says so: what connects directly is inside the cluster.
func (l List) Scheme(from netip.Addr, h http.Header) string {
	if !l.Has(from) {
		return ""
	}
	first, _, _ := strings.Cut(h.Get("X-Forwarded-Proto"), ",")
	return strings.ToLower(strings.TrimSpace(first))
}

// Peer returns the address of a connection's other end; the zero Addr where it has none.
func Peer(a net.Addr) netip.Addr {
	tcp, is := a.(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return plain(tcp.AddrPort().Addr())
}

// PeerOf is Peer of an address as net/http writes it.
func PeerOf(remoteAddr string) netip.Addr {
	read, _ := netip.ParseAddrPort(remoteAddr)
	return plain(read.Addr())
}

// plain is an address in the spelling that it is compared in.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Whole returns the address that stands for a client: of IPv6 its network of 64 bits, in which a client chooses its address (RFC 6177).
func Whole(a netip.Addr) netip.Addr {
	if a = plain(a); !a.Is6() {
		return a
	}
	network, _ := a.Prefix(64) // 64 fits
	return network.Addr()
}
