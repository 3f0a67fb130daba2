package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

func about(phone, email string) *event.Event {
	return &event.Event{Customer: event.Customer{Phone: phone, Email: email}}
}

// abroad is an event whose customer's number is one of Germany.
func abroad(phone string) *event.Event {
	return &event.Event{Customer: event.Customer{Phone: phone, Region: "DE"}}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		who   string
		to    message.Address
		about *event.Event
		want  bool
	}{
		{"+15550104242", "+15550104242", nil, true},
		{"(555) 010-4242", "+15550104242", nil, true},
		{"+15550104242", "jane@example.com", about("555-010-4242", ""), true}, // the e-mail about the same order
		{"+15550104242", "+15550109999", about("+15550109999", ""), false},
		{"+15550104242", "+15550109999", about("12", "+15550104242@example.com"), false},
		{"Jane.Roe@Example.com", "jane.roe@example.com", nil, true},
		{"jane.roe@example.com", "+15550104242", about("+15550104242", " Jane.Roe@EXAMPLE.com "), true},
		{"jane.roe@bücher.example", "jane.roe@xn--bcher-kva.example", nil, true},
		{"jane.roe@example.com", "jane.roe@example.org", about("", "jane@example.com"), false},
		{"jane.roe@example.com", "jane@example.com", nil, false},
		{"+525512345678", "+5215512345678", nil, true},
		{"+5215512345678", "jane@example.com", about("+52 55 1234 5678", ""), true},
		{"+551187654321", "+5511987654321", nil, true},
		{"+5491123456789", "jane@example.com", about("+54 11 2345-6789", ""), true},
		{"+525512345678", "+525512345679", about("+5215512345679", ""), false},
		{"5550104242", "jane@example.com", about("٥٥٥ ٠١٠ ٤٢٤٢", ""), true},
		{"none@none.com", "none@none.com", nil, true},
		{"+4930123456", "jane@example.com", abroad("030 123456"), true},
		{"+4930123456", "jane@example.com", about("030 123456", ""), false},
	} {
		p, err := admin.ParsePerson(tt.who, "US")
		if err != nil {
			t.Fatalf("%s: %v", tt.who, err)
		}
		if got := p.Owns(tt.to, tt.about); got != tt.want {
			t.Errorf("%s, to %s, with %+v: %v", tt.who, tt.to.Reveal(), tt.about, got)
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
