// Package emulator stands in for the providers. It answers and refuses as they document, stores the messages that it accepted, and can be
// told to fail in every way they do. The adapters' conformance suite, the system tests and the tests on a cluster use it.
//
// Beside the providers' own paths it serves, for tests that run it as a process:
//
//	GET    /_emulator/messages   the accepted messages (?channel=, ?provider=, ?count=1 for the number only)
//	DELETE /_emulator/messages   delete them
//	PUT    /_emulator/faults     a list of Fault, which replaces the one before
//	PUT    /_emulator/opted-out  the numbers on Amazon SNS's own list of opt-outs
//	GET    /_emulator/stats      number of requests by provider
//	GET    /_emulator/callbacks  the variables that ingest needs to trust the callbacks
//	POST   /_emulator/callbacks  a Plan: delivery reports of the accepted messages; or {"inbound": Inbound}, a message to the shop
package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// The credentials that the emulator accepts. It refuses all others.
const (
	TwilioAccountSID   = "AC00000000000000000000000000000001"
	TwilioAuthToken    = "twilioauthtokenfortheemulator"
	SendGridAPIKey     = "SG.key-for-the-emulator"
	AWSAccessKeyID     = "AKIAEMULATOR"
	AWSSecretAccessKey = "aws-secret-for-the-emulator"
	AWSRegion          = "eu-west-1"
	WhatsAppToken      = "whatsapp-token-for-the-emulator"
	WhatsAppNumberID   = "106540352242922"
)

// Message is a message that a provider accepted.
type Message struct {
	Provider    string `json:"provider"`
	Channel     string `json:"channel"`
	To          string `json:"to"`
	From        string `json:"from,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Text        string `json:"text,omitempty"`
	HTML        string `json:"html,omitempty"`
	ReplyTo     string `json:"reply_to,omitempty"`
	Automatic   string `json:"automatic,omitempty"`   // the header Auto-Submitted
	Unsubscribe string `json:"unsubscribe,omitempty"` // the URL of List-Unsubscribe
	Template    string `json:"template,omitempty"`
	JobID       string `json:"job_id,omitempty"` // where the provider has a field for it
	ID          string `json:"id"`
	// StatusCallback and Fields are returned with the delivery reports: Twilio's StatusCallback, SendGrid's custom_args or SES's tags.
	StatusCallback string            `json:"status_callback,omitempty"`
	Fields         map[string]string `json:"fields,omitempty"`
	// ConfigurationSet is SES's: without one it publishes no events.
	ConfigurationSet string    `json:"configuration_set,omitempty"`
	At               time.Time `json:"at"`
}

// Kind is a way to fail.
type Kind string

// The kinds. An empty one answers with the provider's own error.
const (
	DropBefore Kind = "drop-before" // the connection ends, the message is not accepted
	DropAfter  Kind = "drop-after"  // the connection ends, the message is accepted
	Half       Kind = "half"        // the message is accepted, the connection ends within the answer
	Garbage    Kind = "garbage"     // the message is accepted, the answer is unreadable
	Page       Kind = "page"        // a proxy's page in HTML, with the status and the header
	Empty      Kind = "empty"       // the status and the header without a body
	Foreign    Kind = "foreign"     // Text as the body, which is not in the provider's form, with the status and the header
	Oversize   Kind = "oversize"    // the message is accepted, the answer never ends
	Slow       Kind = "slow"        // the usual answer, after the latency
)

// Fault makes requests fail.
type Fault struct {
	Provider    string        `json:"provider"`              // empty for all
	To          string        `json:"to,omitempty"`          // only messages to this recipient
	Probes      bool          `json:"probes,omitempty"`      // probes too
	Times       int           `json:"times,omitempty"`       // number of requests; 0 is every request until the fault is replaced
	Probability float64       `json:"probability,omitempty"` // of a request to fail; 0 is always
	Kind        Kind          `json:"kind,omitempty"`
	Latency     time.Duration `json:"latency,omitempty"` // before the answer, in nanoseconds
	Refusal
}

// Refusal is an error in a provider's own form.
type Refusal struct {
	Status  int         `json:"status,omitempty"`
	Code    string      `json:"code,omitempty"`
	Text    string      `json:"text,omitempty"`
	Field   string      `json:"field,omitempty"`
	Flag    bool        `json:"flag,omitempty"` // whatever a provider's errors have beside: is_transient
	Subcode int         `json:"subcode,omitempty"`
	Header  http.Header `json:"header,omitempty"`
}

// Dialect is the API of one provider, in both directions: the first part answers an adapter's requests, the second makes callbacks.
type Dialect struct {
	Name   string
	Routes []string // patterns of http.ServeMux
	// IsProbe tells a probe from a send.
	IsProbe func(r *http.Request, body []byte) bool
	// Check verifies the credentials; nil accepts them.
	Check func(r *http.Request, body []byte) *Refusal
	// Read returns the message of a send, or the refusal with which the provider would answer.
	Read func(r *http.Request, body []byte) (Message, *Refusal)
	// Accept answers a send that was accepted.
	Accept func(w http.ResponseWriter, m Message)
	// Healthy answers a probe.
	Healthy func(w http.ResponseWriter)
	// IsList tells a request for the provider's own list of opt-outs, and List answers with a page of it. Both are nil for a provider without
	// such a list. Faults with Probes apply to it, too.
	IsList func(body []byte) bool
	List   func(w http.ResponseWriter, body []byte, optedOut []string)
	// Refuse answers with an error. A refusal without a code gets the provider's usual one for the status.
	Refuse func(w http.ResponseWriter, r Refusal)

	// Report returns the callbacks of an accepted message's events, in their order. It is nil for a provider without delivery reports. The
	// error names an event that the provider does not report.
	Report func(c *Callbacks, m Message, events []Event) ([]Callback, error)
	// Receive returns the callback of a customer's message to the shop. It is nil for a provider without such messages.
	Receive func(c *Callbacks, in Inbound) Callback
	// Environment has the variables that ingest needs to trust this dialect's callbacks. Callbacks.Environment has those of the built-in ones.
	Environment map[string]string
}

// Dialects returns the built-in dialects.
func Dialects() []Dialect {
	return []Dialect{twilioDialect, sendgridDialect, sesDialect, snsDialect, whatsappDialect}
}

// Server answers for every provider. It is safe for concurrent use.
type Server struct {
	mux      *http.ServeMux
	dialects []Dialect

	mu       sync.Mutex
	messages []Message
	requests map[string]int
	faults   []*Fault
	optedOut []string
	met      int // requests that the first fault answered
	ids      int
	// callbacks makes the callbacks; nil until Callbacks is called with the address of ingest.
	callbacks *Callbacks
}

// New returns a server with the built-in dialects and others.
func New(others ...Dialect) *Server {
	s := &Server{mux: http.NewServeMux(), dialects: append(Dialects(), others...), requests: map[string]int{}}
	for _, d := range s.dialects {
		for _, route := range d.Routes {
			s.mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { s.serve(d, w, r) })
		}
	}
	s.mux.HandleFunc("GET /_emulator/messages", s.getMessages)
	s.mux.HandleFunc("DELETE /_emulator/messages", func(w http.ResponseWriter, _ *http.Request) { s.Forget(); w.WriteHeader(http.StatusNoContent) })
	s.mux.HandleFunc("PUT /_emulator/faults", s.putFaults)
	s.mux.HandleFunc("PUT /_emulator/opted-out", s.putOptedOut)
	s.mux.HandleFunc("GET /_emulator/stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	s.mux.HandleFunc("GET /_emulator/callbacks", s.serveCallbacks)
	s.mux.HandleFunc("POST /_emulator/callbacks", s.serveCallbacks)
	return s
}

// dialect returns the dialect of that name; for an unknown name, a dialect without functions.
func (s *Server) dialect(name string) Dialect {
	for _, d := range s.dialects {
		if d.Name == name {
			return d
		}
	}
	return Dialect{Name: name}
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Messages returns a copy of the accepted messages, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Requests returns the number of requests by provider, probes included.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for name, n := range s.requests {
		out[name] = n
	}
	return out
}

// Forget deletes the accepted messages.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Fail replaces the faults. Without arguments the server has no fault.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.met = nil, 0
	for _, f := range faults {
		s.faults = append(s.faults, &f)
	}
}

// OptOut replaces the numbers on Amazon SNS's own list of opt-outs.
func (s *Server) OptOut(numbers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.optedOut = numbers
}

// listed returns the numbers on Amazon SNS's own list of opt-outs.
func (s *Server) listed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.optedOut
}

// Met returns how many requests the first fault has answered since the last call of Fail.
func (s *Server) Met() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

func (s *Server) getMessages(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	found := []Message{}
	for _, m := range s.Messages() {
		if (query.Get("channel") == "" || query.Get("channel") == m.Channel) && (query.Get("provider") == "" || query.Get("provider") == m.Provider) {
			found = append(found, m)
		}
	}
	if query.Get("count") != "" {
		writeJSON(w, http.StatusOK, map[string]int{"count": len(found)})
		return
	}
	writeJSON(w, http.StatusOK, found)
}

func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	var faults []Fault
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&faults); err != nil {
		http.Error(w, "send a list of faults: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.Fail(faults...)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) putOptedOut(w http.ResponseWriter, r *http.Request) {
	var numbers []string
	if err := json.NewDecoder(r.Body).Decode(&numbers); err != nil {
		http.Error(w, "send a list of numbers: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.OptOut(numbers...)
	w.WriteHeader(http.StatusNoContent)
}

// userAgent is what Meta's specification of the Cloud API asks for; the other providers do not mind.
var userAgent = regexp.MustCompile(`^[a-z]+/[0-9]+\.[0-9]+\.[0-9]+$`)

// maxBody is more bytes than ringup sends to any provider in one request.
const maxBody = 10 << 20

func (s *Server) serve(d Dialect, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client is gone
	}
	s.mu.Lock()
	s.requests[d.Name]++
	s.mu.Unlock()
	if !userAgent.MatchString(r.Header.Get("User-Agent")) {
		d.Refuse(w, Refusal{Status: http.StatusBadRequest, Text: "The User-Agent is not of the form name/1.2.3"})
		return
	}
	if d.Check != nil {
		if refusal := d.Check(r, body); refusal != nil {
			d.Refuse(w, *refusal)
			return
		}
	}
	if d.IsProbe(r, body) {
		if f := s.fault(d.Name, "", true); f != nil {
			s.fail(d, f, w, r, nil)
			return
		}
		d.Healthy(w)
		return
	}
	if d.IsList != nil && d.IsList(body) {
		if f := s.fault(d.Name, "", true); f != nil {
			s.fail(d, f, w, r, nil)
			return
		}
		d.List(w, body, s.listed())
		return
	}
	m, refusal := d.Read(r, body)
	if refusal != nil {
		d.Refuse(w, *refusal)
		return
	}
	m.Provider = d.Name
	if f := s.fault(d.Name, m.To, false); f != nil {
		s.fail(d, f, w, r, &m)
		return
	}
	s.accept(&m)
	d.Accept(w, m)
}

// accept gives a message its id and its time, and stores it.
func (s *Server) accept(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	m.ID, m.At = fmt.Sprintf("%032x", s.ids), time.Now()
	s.messages = append(s.messages, *m)
}

// fault returns the first fault that applies to a request; nil if none does.
func (s *Server) fault(name, to string, probe bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		switch {
		case f.Provider != "" && f.Provider != name, f.To != "" && f.To != to, probe && !f.Probes:
			continue
		case f.Probability > 0 && rand.Float64() >= f.Probability:
			continue
		}
		if i == 0 {
			s.met++
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

// fail answers by a fault. m is nil for a probe.
func (s *Server) fail(d Dialect, f *Fault, w http.ResponseWriter, r *http.Request, m *Message) {
	if f.Latency > 0 {
		timer := time.NewTimer(f.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if m != nil && (f.Kind == DropAfter || f.Kind == Half || f.Kind == Garbage || f.Kind == Oversize || f.Kind == Slow) {
		s.accept(m)
	}
	if f.Kind == Page || f.Kind == Empty || f.Kind == Foreign {
		maps.Copy(w.Header(), f.Header)
	}
	switch f.Kind {
	case DropBefore, DropAfter:
		panic(http.ErrAbortHandler)
	case Page:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, "<html><body><h1>502 Bad Gateway</h1></body></html>")
	case Empty:
		w.WriteHeader(f.Status)
	case Foreign:
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Text)
	case Half:
		whole := answer(d, m)
		maps.Copy(w.Header(), whole.Header())
		w.Header().Set("Content-Length", strconv.Itoa(whole.Body.Len()+1))
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes())
		panic(http.ErrAbortHandler)
	case Garbage:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "\x00\xff{]not JSON")
	case Oversize:
		w.WriteHeader(http.StatusOK)
		for chunk := bytes.Repeat([]byte(" "), 64<<10); r.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	case Slow:
		if m == nil {
			d.Healthy(w)
			return
		}
		d.Accept(w, *m)
	default:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		d.Refuse(w, f.Refusal)
	}
}

// answer records the answer to a request that meets no fault. m is nil for a probe.
func answer(d Dialect, m *Message) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if m == nil {
		d.Healthy(w)
	} else {
		d.Accept(w, *m)
	}
	return w
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone.
	_ = json.NewEncoder(w).Encode(v)
}

// decode reads a JSON body. The content type has to be right; unknown fields are ignored, as providers do.
func decode(r *http.Request, body []byte, into any) error {
	if r.Header.Get("Content-Type") != "application/json" {
		return errors.New("the content type is not application/json")
	}
	return json.Unmarshal(body, into)
}
