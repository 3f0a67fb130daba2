package render

import (
	"encoding/json"
	"text/template"
	"time"

	"ringup.dev/ringup/internal/format"
)

// ownFunctions are those of templates, beside the library's own. The view is the first argument of those that need its locale: {{money $ (.Field "deposit")}}.
// The comments are the table in docs/templates.md.
var ownFunctions = template.FuncMap{
	"json":     quoted,
	"money":    money,
	"quantity": quantity,
	"number":   quantity,
	"date":     date,
	"link":     link,
}

// quoted writes a text as a JSON string, for template.json.
func quoted(s string) (string, error) {
	text, err := json.Marshal(s)
	return string(text), err
}

// money formats an amount in the currency of the sale, or of the shop: {{money $ (.Field "deposit")}}.
func money(v *view, literal string) string {
	return v.figures.get(v.moneyKind(), literal, v.currency, v.locale)
}

// quantity formats a number with three decimals at most; number is another name for it: {{quantity $ (.Field "weight")}}.
func quantity(v *view, literal string) string {
	return v.figures.get(quantityKind, literal, "", v.locale)
}

// date formats a time, .Time or a text of RFC 3339, as the customer's clock shows it, or a day as 2024-01-31: {{date $ (.Field "pickupAt")}}. It is "" for anything else.
func date(v *view, of any) string {
	if t, is := of.(time.Time); is {
		return v.figures.time(t.In(v.zone), v.locale)
	}
	text, _ := of.(string)
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return format.Date(t, v.locale)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ""
	}
	return v.figures.time(t.In(v.zone), v.locale)
}

// link returns an address with https, whole; "" for anything else: {{link $ "trackingUrl"}}.
func link(v *view, field string) string {
	if v.event == nil {
		return ""
	}
	return format.Link(v.event.Field(field))
}
