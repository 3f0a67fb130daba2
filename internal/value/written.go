package value

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"ringup.dev/ringup/internal/message"
)

// amount is a number as people write it: a minus or brackets, a currency's sign or code, digits with marks between them, and any of these behind it.
var amount = regexp.MustCompile(`^(-?|\() *([A-Za-z]{0,3}\p{Sc}|[A-Za-z]{3}|(?:kr|zł|Kč|Ft|Fr|Rs|лв|руб)\.?)? *(-?) *([0-9](?:[0-9., '’]*[0-9])?) *(\p{Sc}|[A-Za-z]{3}|(?:kr|zł|Kč|Ft|Fr|Rs|лв|руб)\.?)? *(-?|\))$`)

// Written returns a number as people write it, as Number does: with a currency's sign or code, a comma for the point, marks between thousands, digits of any
// script, and a minus on either side or brackets for a negative one, as "12,50", "1.234,50 €", "CHF 1'234.50" and "(20.00)". ok is false for any other text, and
// where a mark could be the point or stand between thousands: 1,234.
func Written(text string) (plain string, ok bool) {
	if len(text) > 4*maxDigits {
		return "", false
	}
	part := amount.FindStringSubmatch(strings.NewReplacer("\u2212", "-", "٫", ".", "٬", ",").Replace(message.Clean(text)))
	if part == nil || (part[1] == "(") != (part[6] == ")") || len(strings.Trim(part[1]+part[3]+part[6], "()")) > 1 {
		return "", false
	}
	for _, code := range []string{part[2], part[5]} {
		if _, known := Currency(code); len(code) == 3 && strings.Trim(code, letters) == "" && !known {
			return "", false
		}
	}
	if plain, ok = unmarked(part[4]); ok && part[1]+part[3]+part[6] != "" {
		plain = "-" + plain
	}
	if !ok {
		return "", false
	}
	return Number(plain)
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// unmarked returns digits without the marks between thousands, and with a point before the decimals.
func unmarked(digits string) (plain string, ok bool) {
	point := strings.LastIndexAny(digits, ".,")
	whole, decimals := digits, ""
	if point >= 0 {
		mark := digits[point : point+1]
		before, after := digits[:point], digits[point+1:]
		switch {
		case strings.Contains(before, mark): // 1,234,567
		case strings.ContainsAny(before, "., '’"), len(after) != 3, strings.Trim(before, "0") == "":
			whole, decimals = before, "."+after
		default:
			return "", false // 1,234
		}
	}
	if decimals != "" && strings.Trim(decimals[1:], "0123456789") != "" {
		return "", false
	}
	groups := strings.FieldsFunc(whole, func(r rune) bool { return r < '0' || r > '9' })
	for i, group := range groups {
		last := i == len(groups)-1
		if i == 0 && !last && len(group) > 3 || i > 0 && len(group) != 3 && (last || len(group) != 2) { // 12,34,567 as in India
			return "", false
		}
	}
	return strings.Join(groups, "") + decimals, sameMarks(whole)
}

// sameMarks says that there is one kind of mark between the groups of digits, and one at a time.
func sameMarks(whole string) bool {
	marks := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, whole)
	first, size := utf8.DecodeRuneInString(marks)
	return marks == "" || marks == strings.Repeat(marks[:size], utf8.RuneCountInString(marks)) && !strings.Contains(whole, string([]rune{first, first}))
}
