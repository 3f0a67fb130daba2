// Package event has what happened at a till, in the terms of no sender: the event types, and samples.
package event

import "strings"

// Type is what happened at the till.
type Type string

// The event types.
const (
	PaymentComplete Type = "payment_complete"
	OrderCreate     Type = "order_create"
	POSSave         Type = "pos_save"
	OrderUpdate     Type = "order_update"
)

// Types lists every event type, by priority.
var Types = []Type{PaymentComplete, OrderCreate, POSSave, OrderUpdate}

// Priority is 1, the first, to 4; 0 for an event type that is none.
func (e Type) Priority() int {
	for i, known := range Types {
		if e == known {
			return i + 1
		}
	}
	return 0
}

// Names lists the event types for a sentence: with commas between.
func Names() string {
	names := make([]string, len(Types))
	for i, e := range Types {
		names[i] = string(e)
	}
	return strings.Join(names, ", ")
}
