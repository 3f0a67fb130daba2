package format

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// letters are those that no accent makes different from a to z.
var letters = strings.NewReplacer("ß", "ss", "ø", "o", "đ", "d", "ł", "l", "ı", "i", "æ", "ae", "œ", "oe")

// StatusKey returns the one spelling of a status under which its words are looked up, of small letters, digits and single underscores:
// "READY_FOR_PICKUP", "Ready for pickup!" and "readyForPickup" are ready_for_pickup, "Prêt" is pret, "Отклонён." is отклонен. "" if there are neither letters nor
// digits.
func StatusKey(status string) string {
	var b strings.Builder
	gap := false
	for _, r := range letters.Replace(strings.ToLower(norm.NFKD.String(spaced(status)))) {
		switch {
		case unicode.Is(unicode.M, r): // what NFKD has taken off a letter
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	return b.String()
}

// Readable returns a status for which there are no words as a person may read it: "READY_FOR_PICKUP" becomes "ready for pickup", "Ready!" "Ready".
// The punctuation at the end goes, as a sentence follows it with its own.
func Readable(status string) string {
	status = strings.Join(strings.Fields(strings.ReplaceAll(spaced(status), "_", " ")), " ")
	if !strings.Contains(status, " ") { // one word, or many that are written as one
		status = strings.Join(strings.FieldsFunc(status, func(r rune) bool { return r == '-' }), " ")
	}
	if status == strings.ToUpper(status) {
		status = strings.ToLower(status)
	}
	return strings.TrimRightFunc(status, func(r rune) bool {
		return r == '…' || unicode.IsSpace(r) || unicode.Is(unicode.Terminal_Punctuation, r)
	})
}

// spaced separates the words of a text in camel case: readyForPickup. It leaves a text of several words as it is.
func spaced(s string) string {
	if strings.ContainsAny(s, " _-") {
		return s
	}
	var b strings.Builder
	var before rune
	for _, r := range s {
		if unicode.IsLower(before) && unicode.IsUpper(r) {
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
		before = r
	}
	return b.String()
}
