package clover

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/sender/fields"
)

// merchants is a member that should be an object with a list of updates for each merchant's id. Anything else is nil.
type merchants []merchant

type merchant struct {
	id      string
	updates fields.List[update]
}

// update says that an object was changed: O:<id> is an order, P:<id> a payment (docs.clover.com/docs/webhooks, "Event type keys").
type update struct {
	Object fields.Text `json:"objectId"`
	Type   fields.Text `json:"type"` // CREATE, UPDATE or DELETE
	At     fields.Text `json:"ts"`   // milliseconds
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *merchants) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*m = nil
	if d.PeekKind() != '{' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*m = merchants{}
	for d.PeekKind() != '}' {
		var id fields.Text
		if err := id.UnmarshalJSONFrom(d); err != nil {
			return err
		}
		one := merchant{id: id.String()}
		if err := json.UnmarshalDecode(d, &one.updates); err != nil {
			return err
		}
		*m = append(*m, one)
	}
	_, err := d.ReadToken()
	return err
}

// maxNames bounds the merchants and kinds of updates that are shown of a webhook.
const maxNames = 5

// names returns the merchants' ids, for people.
func (m merchants) names() string {
	var names []string
	for i := range m {
		names = append(names, m[i].id)
	}
	return listed(names)
}

// topic returns the kinds of updates, as "O CREATE".
func (m merchants) topic() string {
	var kinds []string
	for i := range m {
		for _, u := range m[i].updates {
			prefix, _, _ := strings.Cut(u.Object.String(), ":")
			kinds = append(kinds, prefix+" "+u.Type.String())
		}
	}
	return listed(kinds)
}

// listed returns the first texts that differ, with commas between.
func listed(texts []string) string {
	var out []string
	for _, t := range texts {
		if !slices.Contains(out, t) && len(out) < maxNames {
			out = append(out, t)
		}
	}
	return strings.Join(out, ", ")
}

// sale is an order or a payment that was changed.
type sale struct {
	merchant string
	object   string // order or payment
	id       string
	at       fields.Text
}

// sales returns the orders and payments, each once with the time of its last update. One that was deleted says nothing.
func (m merchants) sales() (all []sale) {
	for i := range m {
		for _, u := range m[i].updates {
			prefix, id, _ := strings.Cut(u.Object.String(), ":")
			object := map[string]string{"O": lookupOrder, "P": lookupPayment}[prefix]
			if object == "" || id == "" || u.Type.String() == "DELETE" {
				continue
			}
			at := slices.IndexFunc(all, func(s sale) bool { return s.merchant == m[i].id && s.object == object && s.id == id })
			if at < 0 {
				all = append(all, sale{merchant: m[i].id, object: object, id: id, at: u.At})
			} else {
				all[at].at = u.At
			}
		}
	}
	return all
}
