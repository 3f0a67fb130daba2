package queue

import "time"

// SetAside is a webhook of a sender that was verified and could not be read. It waits, whole, for a release that reads it.
type SetAside struct {
	ID     string              `json:"id"`
	At     time.Time           `json:"at"` // when it came in
	Store  string              `json:"store"`
	Sender string              `json:"sender"`
	Why    string              `json:"why"` // which member could not be read; no value
	Bytes  int                 `json:"bytes"`
	Header map[string][]string `json:"header"` // without secrets
	Body   []byte              `json:"-"`
}

// Delivery is a webhook of a sender, as it was answered.
type Delivery struct {
	At      time.Time           `json:"at"`
	Topic   string              `json:"topic,omitempty"` // in the sender's words; not checked
	Outcome string              `json:"outcome"`
	Why     string              `json:"why,omitempty"` // it was refused, or set aside
	Events  []string            `json:"events,omitempty"`
	Bytes   int                 `json:"bytes"`
	Header  map[string][]string `json:"header,omitempty"` // without secrets
}

// Deliveries are a sender's of a moment, the latest last.
type Deliveries struct {
	Sender  string
	Latest  []Delivery       // those that were let in
	Refused []Delivery       // those with a bad signature, and pings: strangers may make any number of them
	Counts  map[string]int64 // of all of them, by outcome
}

// SenderState has the outcomes of a sender's webhooks, and the latest of them.
type SenderState struct {
	Sender   string                  `json:"sender"`
	Outcomes map[string]OutcomeCount `json:"outcomes"`
	Latest   []Delivery              `json:"latest"` // the latest first, those that were refused among them
}

// OutcomeCount is how often webhooks had an outcome, and when last.
type OutcomeCount struct {
	Count int64     `json:"count"`
	Last  time.Time `json:"last"`
}
