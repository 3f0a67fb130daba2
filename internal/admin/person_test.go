package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
)

func body(phone, email string) []byte {
	return fmt.Appendf(nil, `{"id":"w","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"customerPhone":%q,"customerEmail":%q}}`, phone, email)
}

func TestOwns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		who  string
		to   message.Address
		body []byte
		want bool
	}{
		{"+15550104242", "+15550104242", nil, true},
		{"(555) 010-4242", "+15550104242", nil, true},
		{"+15550104242", "jane@example.com", body("555-010-4242", ""), true}, // the e-mail about the same order
		{"+15550104242", "+15550109999", body("+15550109999", ""), false},
		{"+15550104242", "+15550109999", body("12", "+15550104242@example.com"), false},
		{"Jane.Roe@Example.com", "jane.roe@example.com", nil, true},
		{"jane.roe@example.com", "+15550104242", body("+15550104242", " Jane.Roe@EXAMPLE.com "), true},
		{"jane.roe@bücher.example", "jane.roe@xn--bcher-kva.example", nil, true},
		{"jane.roe@example.com", "jane.roe@example.org", body("", "jane@example.com"), false},
		{"jane.roe@example.com", "jane@example.com", []byte("no webhook"), false},
		{"jane.roe@example.com", "jane.roe@example.com", []byte("no webhook"), true},
	} {
		p, err := admin.ParsePerson(tt.who, "US")
		if err != nil {
			t.Fatalf("%s: %v", tt.who, err)
		}
		if got := p.Owns(tt.to, tt.body); got != tt.want {
			t.Errorf("%s, to %s, with %s: %v", tt.who, tt.to.Reveal(), tt.body, got)
		}
		if text := fmt.Sprintf("%v %s", p, p); strings.Contains(text, "4242 ") && strings.Contains(text, "5550104242") || strings.Contains(text, "oe@") {
			t.Errorf("it prints %s", text)
		}
	}
	for _, none := range []string{"", "John", "12", "a@b", "@"} {
		if p, err := admin.ParsePerson(none, "US"); err == nil {
			t.Errorf("%q is %v", none, p)
		}
	}
}
