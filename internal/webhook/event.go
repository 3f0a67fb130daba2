// Package webhook is what a POS posts: its event types, how it is decoded and validated, and sample payloads.
package webhook

import "strings"

// EventType is what happened at the till.
type EventType string

// The event types.
const (
	PaymentComplete EventType = "payment_complete"
	OrderCreate     EventType = "order_create"
	POSSave         EventType = "pos_save"
	OrderUpdate     EventType = "order_update"
)

// EventTypes lists every event type, by priority.
var EventTypes = []EventType{PaymentComplete, OrderCreate, POSSave, OrderUpdate}

// Priority is 1, the first, to 4; 0 for an event type that is none.
func (e EventType) Priority() int {
	for i, known := range EventTypes {
		if e == known {
			return i + 1
		}
	}
	return 0
}

func eventNames() string {
	names := make([]string, len(EventTypes))
	for i, e := range EventTypes {
		names[i] = string(e)
	}
	return strings.Join(names, ", ")
}
