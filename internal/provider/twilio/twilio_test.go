package twilio

import (
	"slices"
	"strings"
	"testing"
)

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	for public, want := range map[string][]string{
		"":                                nil,
		"https://hooks.example.com":       {"https://hooks.example.com", "https://hooks.example.com:443"},
		"https://hooks.example.com/":      {"https://hooks.example.com", "https://hooks.example.com:443"},
		"https://hooks.example.com:443":   {"https://hooks.example.com:443", "https://hooks.example.com"},
		"https://hooks.example.com:8443":  {"https://hooks.example.com:8443", "https://hooks.example.com", "https://hooks.example.com:443"},
		"http://10.0.0.7:3000/a%20b//c/":  {"http://10.0.0.7:3000/a%20b/c", "http://10.0.0.7/a%20b/c", "http://10.0.0.7:80/a%20b/c"},
		"http://[2001:db8::1]:3000/hooks": {"http://[2001:db8::1]:3000/hooks", "http://[2001:db8::1]/hooks", "http://[2001:db8::1]:80/hooks"},
	} {
		for i := range want {
			want[i] += CallbackPath
		}
		c := CallbackConfig{PublicURL: public}
		if got, err := c.signedURLs(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", public, got, err, want)
		}
	}
}

// TestConfiguration: the error names the variable. Without either of the two, Twilio does not call back.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"hooks.example.com", "ftp://hooks.example.com", "https://", "https://u:p@hooks.example.com", "https://hooks.example.com?a=b",
		"https://hooks.example.com/#a", "https://h:x"} {
		c := CallbackConfig{PublicURL: public}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "PUBLIC_URL is not") || c.URL() != "" {
			t.Errorf("%s: %v, and Twilio is told %q", public, err, c.URL())
		}
	}
}
