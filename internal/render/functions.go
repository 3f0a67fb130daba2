package render

import (
	"encoding/json"
	"text/template"
	"time"

	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/value"
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
	return v.figure(v.moneyKind(), format.Unisolated(literal), v.currency)
}

// quantity formats a number with three decimals at most; number is another name for it: {{quantity $ (.Field "weight")}}.
func quantity(v *view, literal string) string {
	return v.figure(quantityKind, format.Unisolated(literal), "")
}

// date formats a time, .Time or a text that webhooks may have as timestamp, as the customer's clock shows it, or a day as 2024-01-31: {{date $ (.Field "pickupAt")}}. It is "" for anything else.
func date(v *view, of any) string {
	if t, is := of.(time.Time); is {
		return v.directed(v.figures.time(t.In(v.zone), v.locale))
	}
	text, _ := of.(string)
	text = format.Unisolated(text)
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return v.directed(format.Date(t, v.locale))
	}
	t, ok := value.Time(text, v.zone)
	if !ok {
		return ""
	}
	return v.directed(v.figures.time(t.In(v.zone), v.locale))
}

// link returns an address with https, whole; "" for anything else: {{link $ "trackingUrl"}}.
func link(v *view, field string) string {
	if v.event == nil {
		return ""
	}
	return format.Link(v.event.Field(field))
}
