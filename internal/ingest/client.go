package ingest

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

// proxies are the networks whose X-Forwarded-For is believed.
type proxies []netip.Prefix

// parseProxies reads TRUSTED_PROXIES.
func parseProxies(texts []string) (proxies, error) {
	var out proxies
	var errs []error
	for _, text := range config.NonEmpty(texts) {
		network, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("TRUSTED_PROXIES has %q: set addresses or networks, as 10.0.0.0/8", text))
		case network.Bits() == 0:
			errs = append(errs, fmt.Errorf("TRUSTED_PROXIES has %q: that is everybody, and any client could name itself anything; set the ingress's network", text))
		default:
			out = append(out, network.Masked())
		}
	}
	return out, errors.Join(errs...)
}

func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// remote returns the address of a connection's other end; the zero Addr where it has none.
func remote(a net.Addr) netip.Addr {
	tcp, is := a.(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// client returns whom a request comes from: the last address of X-Forwarded-For that is no trusted proxy, as the proxies append to it. The
// addresses before it are the client's own word. Without a trusted proxy it is the other end of the connection.
func (p proxies) client(from netip.Addr, h http.Header) netip.Addr {
	if !p.has(from) {
		return whole(from)
	}
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		if from = address.Unmap().WithZone(""); !p.has(from) {
			break
		}
	}
	return whole(from)
}

// scheme returns how a request came to a trusted proxy, by X-Forwarded-Proto: the client's own comes first where several proxies wrote it, as in Forwarded
// (RFC 7239, section 4). "" where no trusted proxy says so: what connects directly is inside the cluster.
func (p proxies) scheme(from netip.Addr, h http.Header) string {
	if !p.has(from) {
		return ""
	}
	first, _, _ := strings.Cut(h.Get("X-Forwarded-Proto"), ",")
	return strings.ToLower(strings.TrimSpace(first))
}

// whole returns the address that stands for a client: of IPv6 its network of 64 bits, in which a client chooses its address (RFC 6177).
func whole(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	network, _ := a.Prefix(64) // 64 fits
	return network.Addr()
}
