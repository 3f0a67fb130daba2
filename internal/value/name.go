package value

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"ringup.dev/ringup/internal/event"
)

// Clean cleans the names of an event, and its other texts that people read: Name says how. A customer's name that is a placeholder of a till is left out,
// too. Every sender calls it last.
func Clean(e *event.Event) {
	e.Sale.OrderID, e.Sale.TransactionID, e.Sale.Status = Name(e.Sale.OrderID), Name(e.Sale.TransactionID), Name(e.Sale.Status)
	e.Sale.Payment.Brand = Name(e.Sale.Payment.Brand)
	hideNumber(&e.Sale.Payment)
	e.Customer.Name = Name(given(e.Customer.Name))
	if isOneOf(strangers, e.Customer.Name) {
		e.Customer.Name = ""
	}
	e.Sale.OrderName, e.Sale.Place = Name(e.Sale.OrderName), Name(e.Sale.Place)
	for i := range e.Items {
		e.Items[i].Name = Name(e.Items[i].Name)
		for j, option := range e.Items[i].Options {
			e.Items[i].Options[j] = Name(option)
		}
	}
}

// given returns the parts of a customer's name that a till had: "Zoe undefined" is a first name and no last name. Null is a name, null is not.
func given(name string) string {
	for _, missing := range []string{"undefined", "null"} {
		name = strings.TrimSuffix(strings.TrimPrefix(name, missing+" "), " "+missing)
	}
	return name
}

// minCardNumber is how many digits a card's number has at least (ISO/IEC 7812).
const minCardNumber = 12

// hideNumber leaves of a card's number that stands with its brand the last four digits.
func hideNumber(p *event.Payment) {
	digits := 0
	for i := range len(p.Brand) {
		if '0' <= p.Brand[i] && p.Brand[i] <= '9' {
			digits++
		}
	}
	if digits < minCardNumber {
		return
	}
	if p.LastFour == "" {
		p.LastFour, _ = LastFour(p.Brand)
	}
	p.Brand = strings.Join(strings.FieldsFunc(p.Brand, func(r rune) bool { return !unicode.IsLetter(r) }), " ")
}

// noValue are the words by which programs write that there is no value, in small letters. A name of which each word is one of them is no name:
// "undefined undefined" is two missing fields with a space between.
var noValue = map[string]bool{
	"null": true, "(null)": true, "[null]": true, "<null>": true, "undefined": true, "none": true, "n/a": true, "n.a.": true, "#n/a": true,
	"[object": true, "object]": true, // [object Object]
}

// strangers are what tills write for a customer whose name they do not know, in the built-in languages and in small letters.
var strangers = map[string]bool{
	"guest": true, "guest customer": true, "guest guest": true, "customer": true, "anonymous": true, "anonymous customer": true, "unknown": true,
	"unknown customer": true, "unknown unknown": true, "walk-in": true, "walk in": true, "walk-in customer": true, "walk in customer": true,
	"cash customer": true, "cash sale": true, "no name": true, "not provided": true, "false": true, "retail customer": true, "default customer": true, "test customer": true,
	"kunde": true, "gast": true, "laufkunde": true, "laufkundschaft": true, "barverkauf": true, "unbekannt": true,
	"cliente": true, "invitado": true, "invitada": true, "cliente general": true, "cliente mostrador": true, "cliente de paso": true, "público en general": true,
	"publico en general": true, "público general": true, "publico general": true, "consumidor final": true, "cliente final": true, "desconocido": true, "convidado": true,
	"cliente balcão": true, "cliente padrão": true, "desconhecido": true, "ospite": true, "cliente generico": true, "sconosciuto": true,
	"client": true, "cliente occasionale": true, "invité": true, "client de passage": true, "client comptoir": true, "client divers": true, "inconnu": true,
	"klant": true, "passant": true, "onbekend": true, "klient": true, "gość": true, "klient detaliczny": true, "nieznany": true, "müşteri": true, "misafir": true,
	"perakende müşteri": true, "عميل": true, "زبون": true, "ضيف": true, "عميل نقدي": true, "お客様": true, "ゲスト": true, "一般客": true, "顾客": true, "散客": true, "游客": true, "客户": true,
}

// entity is a character reference of HTML that ends as it should. Without the semicolon "&copy" may be the begin of a word.
var entity = regexp.MustCompile(`&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});`)

// Name returns a name as people read it: character references of HTML, which tills that escape their fields leave, are replaced once, and spaces around
// are dropped. A placeholder that a program wrote for a missing name, and a text without any letter, digit or symbol, is "".
func Name(text string) string {
	if strings.IndexByte(text, '&') >= 0 {
		text = entity.ReplaceAllStringFunc(text, html.UnescapeString)
	}
	text = strings.TrimSpace(text)
	if text != "" && isLetter(rune(text[0])) && strings.IndexByte(begins, text[0]) < 0 {
		return text // as most names
	}
	for word := range strings.FieldsSeq(text) {
		if !saysNothing(word) {
			return text
		}
	}
	return ""
}

// begins has the letters that the words of noValue begin with.
const begins = "nNuUoO"

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// saysNothing says whether a word of a name is no part of one.
func saysNothing(word string) bool {
	if isOneOf(noValue, word) || word == "nan" || word == "NaN" { // Nan is a name
		return true
	}
	for _, r := range word {
		if isLetter(r) || unicode.In(r, unicode.L, unicode.N, unicode.S, unicode.M) {
			return false
		}
	}
	return true
}

// longestWord is the length of the longest of noValue and strangers, in bytes; a test holds it to them.
const longestWord = 19

// isOneOf looks a text up, in any case. It is asked for each name of each event, so it makes no copies.
func isOneOf(words map[string]bool, text string) bool {
	var small [longestWord]byte
	if len(text) > len(small) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return words[strings.ToLower(text)]
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		small[i] = c
	}
	return words[string(small[:len(text)])]
}
