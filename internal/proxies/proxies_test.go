package proxies

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written are the ways to write the address of a hop.
var written = map[string][]string{
	"198.51.100.7":  {"198.51.100.7", "198.51.100.7:52014", "::ffff:198.51.100.7", "[::ffff:198.51.100.7]", "[::ffff:198.51.100.7]:52014", "::ffff:c633:6407"},
	"2001:db8::5":   {"2001:db8::5", "2001:DB8:0::5", "[2001:db8::5]", "[2001:db8::5]:52014", "2001:db8::5%eth0", "[2001:db8::5%eth0]:52014"},
	"10.0.3.9":      {"10.0.3.9", "10.0.3.9:80", "::ffff:10.0.3.9", "[::ffff:10.0.3.9]:80"},
	"2001:db8:1::7": {"2001:db8:1::7", "[2001:db8:1::7]", "[2001:db8:1::7]:80"},
}

// unread is what stands in the header and names nobody.
var unread = []string{"", "unknown", "_hidden", "198.51.100.7:", "198.51.100.7:x", "198.51.100.7:99999", "[198.51.100.7]", "[198.51.100.7", "2001:db8::5]", "[]", "[]:80", ":80", "198.51.100", "0x7f.1", "198.51.100.7/32", "\"198.51.100.7\"", "a b"}

func header(name string, lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		h.Add(name, line)
	}
	return h
}

// TestClient: the client is the last address that is no proxy's, however each address is written and whether they are in one header or in several.
func TestClient(t *testing.T) {
	t.Parallel()
	l, err := Parse("TRUSTED_PROXIES", []string{"10.0.3.0/24", " 2001:db8:1::7", ""})
	if err != nil {
		t.Fatal(err)
	}
	proxy, stranger := netip.MustParseAddr("10.0.3.1"), netip.MustParseAddr("203.0.113.5")
	rapid.Check(t, func(t *rapid.T) {
		way := func(address string) string {
			return rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "space") + rapid.SampledFrom(written[address]).Draw(t, "as")
		}
		client := rapid.SampledFrom([]string{"198.51.100.7", "2001:db8::5"}).Draw(t, "client")
		var hops []string
		for range rapid.IntRange(0, 3).Draw(t, "claims") { // the client's own word
			hops = append(hops, rapid.OneOf(rapid.SampledFrom(unread), rapid.Just("10.0.3.4"), rapid.Just("192.0.2.1:1")).Draw(t, "claim"))
		}
		hops = append(hops, way(client))
		for range rapid.IntRange(0, 2).Draw(t, "proxies") {
			hops = append(hops, way(rapid.SampledFrom([]string{"10.0.3.9", "2001:db8:1::7"}).Draw(t, "proxy")))
		}
		var lines []string
		for i, hop := range hops {
			if i > 0 && rapid.Bool().Draw(t, "same line") {
				lines[len(lines)-1] += "," + hop
			} else {
				lines = append(lines, hop)
			}
		}
		h := header("X-Forwarded-For", lines...)
		if got := l.Client(proxy, h); got.String() != client {
			t.Fatalf("%q is of %s", lines, got)
		}
		if got := l.Client(stranger, h); got != stranger {
			t.Fatalf("a stranger who says %q is taken for %s", lines, got)
		}
	})
	for _, text := range unread {
		if got := l.Client(proxy, header("X-Forwarded-For", "198.51.100.7, "+text)); got != proxy {
			t.Errorf("%q: %s", text, got)
		}
		if got := l.Client(proxy, header("X-Forwarded-For", "198.51.100.7, "+text+", 10.0.3.9:80")); got.String() != "10.0.3.9" {
			t.Errorf("%q and a proxy: %s", text, got)
		}
	}
	if got := l.Client(proxy, nil); got != proxy {
		t.Errorf("without the header: %s", got)
	}
	if got := l.Client(proxy, header("X-Forwarded-For", "10.0.3.4, 10.0.3.9")); got.String() != "10.0.3.4" {
		t.Errorf("of proxies alone: %s", got)
	}
}

// TestParse: each spelling of an address or a network is the one that connections come from, and what trusts everybody is refused.
func TestParse(t *testing.T) {
	t.Parallel()
	for text, has := range map[string]string{
		"10.0.3.7": "10.0.3.7", "10.0.3.7/24": "10.0.3.200", "::ffff:10.0.3.7": "10.0.3.7", "::ffff:10.0.0.0/104": "10.200.0.1", "::ffff:a00:307": "10.0.3.7",
		"2001:db8::7": "2001:db8::7", "2001:db8::/32": "2001:db8:ffff::1", " fd00::/8\t": "fd12::1",
	} {
		l, err := Parse("SET", []string{text})
		if err != nil || len(l) != 1 || !l.Has(netip.MustParseAddr(has)) || l.Has(netip.MustParseAddr("192.0.2.1")) || l.Has(netip.MustParseAddr("2001:db9::1")) {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
	for _, bad := range []string{"ingress", "10.0.3", "10.0.3.0/33", "10.0.3.7:80", "[2001:db8::7]", "fe80::1%eth0", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:0.0.0.0/64", "10.0.3.7 10.0.3.8"} {
		l, err := Parse("SET", []string{"10.0.3.1", bad})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("SET has %q", bad)) {
			t.Errorf("%q: %v, %v", bad, l, err)
		}
	}
	if l, err := Parse("SET", []string{"", " "}); len(l) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", l, err)
	}
}

// TestPeer: a connection's other end is spelled as the list is.
func TestPeer(t *testing.T) {
	t.Parallel()
	l, err := Parse("SET", []string{"10.0.3.7", "fe80::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range []net.TCPAddr{{IP: net.ParseIP("10.0.3.7")}, {IP: net.ParseIP("10.0.3.7").To4()}, {IP: net.ParseIP("fe80::1"), Zone: "eth0"}} {
		if !l.Has(Peer(&ip)) || !l.Has(PeerOf(ip.String())) {
			t.Errorf("%v: %s, %s", ip, Peer(&ip), PeerOf(ip.String()))
		}
	}
	if Peer(&net.UnixAddr{}).IsValid() || PeerOf("@").IsValid() || l.Has(netip.Addr{}) {
		t.Error("what is no address")
	}
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::"} {
		if got := Whole(netip.MustParseAddr(a)); got.String() != want {
			t.Errorf("%s: %s", a, got)
		}
	}
}

// TestScheme: the first scheme counts, and what a stranger says does not.
func TestScheme(t *testing.T) {
	t.Parallel()
	l, err := Parse("SET", []string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SampledFrom([]string{"https", " HTTPS ", "http", "", "wss", "https/http"}).Draw(t, "first")
		rest := rapid.SliceOf(rapid.SampledFrom([]string{"http", "https", "x"})).Draw(t, "rest")
		h := header("X-Forwarded-Proto", strings.Join(append([]string{first}, rest...), ","))
		if got := l.Scheme(netip.MustParseAddr("10.1.2.3"), h); got != strings.ToLower(strings.TrimSpace(first)) {
			t.Fatalf("%q is %q", h, got)
		}
		if got := l.Scheme(netip.MustParseAddr("203.0.113.5"), h); got != "" {
			t.Fatalf("%q of a stranger counts", h)
		}
	})
}
