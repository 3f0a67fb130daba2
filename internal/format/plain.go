package format

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// maxLink is the longest link that is shown, in bytes; what all browsers take.
const maxLink = 2000

// lookAlikes are what takes the place of the characters that WhatsApp takes for formatting.
var lookAlikes = map[rune]rune{'*': '∗', '_': 'ˍ', '~': '∼', '`': 'ˋ'}

// PlainMarks replaces the characters that WhatsApp takes for formatting by ones that look alike, but for those between two letters or digits, as in
// ORD_1, which it takes as they are. A text that begins like a quotation or a list does not any more.
func PlainMarks(s string) string {
	if !strings.ContainsAny(s, "*_~`") && !strings.HasPrefix(s, ">") && !strings.HasPrefix(s, "- ") {
		return s
	}
	was := []rune(s)
	now := []rune(s)
	word := func(i int) bool {
		return i >= 0 && i < len(was) && (unicode.IsLetter(was[i]) || unicode.IsDigit(was[i]))
	}
	for i, r := range was {
		if alike, is := lookAlikes[r]; is && (r == '`' || !word(i-1) || !word(i+1)) {
			now[i] = alike
		}
	}
	switch {
	case now[0] == '>':
		now[0] = '›'
	case now[0] == '-' && strings.HasPrefix(s, "- "):
		now[0] = '‐'
	}
	return string(now)
}

// PlainLink keeps mail programs and phones from making links of a text from a till. It puts a space behind a dot that could be one of a
// domain, and behind the colon of what may be a scheme, and takes the dot of "www." away: "evil. com", "https: //", "www evil". Dots within numbers stay
// (12.50), but for those of an IP address. The spaces are plain, so that a text message costs no more.
func PlainLink(s string) string {
	if !strings.ContainsAny(s, ".:．․﹒。｡") {
		return s
	}
	text := []rune(s)
	at := func(i int) rune { // 0 outside
		if i < 0 || i >= len(text) {
			return 0
		}
		return text[i]
	}
	var b strings.Builder
	for i, r := range text {
		before, next := at(i-1), at(i+1)
		switch {
		case r == '.' && i >= 3 && strings.EqualFold(string(text[i-3:i]), "www"):
			if next != ' ' && next != 0 {
				b.WriteByte(' ')
			}
			continue
		case isDot(r, before, next) && (splits(before, next) || unicode.IsDigit(next) && isAddress(text, i)),
			r == ':' && endsScheme(before, next):
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// endsScheme says that a colon between two characters could be the one of a scheme, with or without slashes: mailto:?to=, tel:*21. GSM7 makes slashes
// of two other characters. The colon of 12:30 is behind a digit.
func endsScheme(before, next rune) bool {
	switch next {
	case '/', '\\', '⁄', '∕':
		return true
	case 0:
		return false
	}
	return unicode.IsLetter(before) && !unicode.IsSpace(next)
}

// isDot says that a character is a dot in a domain, or becomes one by NFKC. The ideographic full stops are (UTS 46), too; before ideographs, and between
// them and digits, they end sentences.
func isDot(r, before, next rune) bool {
	switch r {
	case '.', '．', '․', '﹒':
		return true
	case '。', '｡':
		ideographs := unicode.In(next, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo)
		return !ideographs && (before <= unicode.MaxASCII || isLetter(next))
	}
	return false
}

// splits says that a dot between two characters could be one of a domain: no top-level domain begins with a digit.
func splits(before, next rune) bool {
	switch {
	case before == 0 || unicode.IsSpace(before):
		return false
	case unicode.IsDigit(next):
		return unicode.IsLetter(before)
	}
	return isLetter(next) || unicode.IsNumber(next)
}

// isLetter says that a character is a letter, or that GSM7 makes one of it.
func isLetter(r rune) bool { return unicode.IsLetter(r) || r == '×' }

// isAddress says that a dot is in a row of digits with three dots or more.
func isAddress(text []rune, dot int) bool {
	row := func(r rune) bool { return unicode.IsDigit(r) || r == '.' }
	dots := 1
	for i := dot - 1; i >= 0 && row(text[i]); i-- {
		if text[i] == '.' {
			dots++
		}
	}
	for _, r := range text[dot+1:] {
		if !row(r) {
			break
		}
		if r == '.' {
			dots++
		}
	}
	return dots >= 3
}

// Link returns an address from a payload, as that of a receipt, whole, or "" if it is not one that a message may show: https, a domain, no user,
// at most 2,000 bytes, and only the characters that addresses have (RFC 3986, section 2; others have to be percent-encoded).
func Link(s string) string {
	s = strings.TrimSpace(s)
	const marks = "-._~:/?#[]@!$&'()*+,;=%"
	odd := func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(marks, r)
	}
	if len(s) > maxLink || strings.ContainsFunc(s, odd) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || !isDomain(u.Hostname()) {
		return ""
	}
	if u.Host != u.Hostname() {
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return ""
		}
	}
	return s
}

// isDomain says that a name is a domain with a top-level one (RFC 1123, section 2.1). IP addresses are invalid.
func isDomain(name string) bool {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, label := range labels {
		odd := func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-'
		}
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, odd) {
			return false
		}
	}
	return len(labels) > 1 && len(name) <= 253 && unicode.IsLetter(rune(labels[len(labels)-1][0]))
}
