package cli

import (
	"strings"
	"testing"
	"unicode"
)

func TestCell(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"w1:sms:1":                            "w1:sms:1",
		"=HYPERLINK(\"http://evil\"):sms:1":   "'=HYPERLINK(\"http://evil\"):sms:1",
		"+cmd|' /C calc'!A0:sms:1":            "'+cmd|' /C calc'!A0:sms:1",
		"-1+1":                                "'-1+1",
		"@SUM(A1)":                            "'@SUM(A1)",
		"\t=1":                                " =1",
		"\u200b=1":                            "'=1",
		"a\x1b[31mred\u009b2J\u202eb\r\nc\td": "a[31mred2Jb  c d",
		"":                                    "",
	} {
		if got := cell(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := masked("+•••4242"); got != "+•••4242" {
		t.Errorf("a masked number is shown as %q", got)
	}
	if got := plain("Hi ☕ مرحبا\n\x1b]0;title\x07\u202eevil\u009b"); got != "Hi ☕ مرحبا\n]0;titleevil" {
		t.Errorf("a message is shown as %q", got)
	}
}

// FuzzCell: nothing that is printed moves a terminal's cursor, leaves its cell, or begins a formula.
func FuzzCell(f *testing.F) {
	f.Add("=1\x1b[2J")
	f.Add("\u202e\u200f+")
	f.Fuzz(func(t *testing.T, s string) {
		got := cell(s)
		if strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Cf) || r == '\u2028' || r == '\u2029'
		}) ||
			got != "" && strings.ContainsRune("=+-@", rune(got[0])) {
			t.Errorf("%q is shown as %q", s, got)
		}
	})
}
