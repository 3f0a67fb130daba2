package emulator

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// WhatsAppAppSecret signs the callbacks of the Cloud API; WhatsAppVerifyToken is the token of its challenge.
const (
	WhatsAppAppSecret   = "app-secret-for-the-emulator"
	WhatsAppVerifyToken = "verify-token-for-the-emulator"
)

// EventKind is a kind of event after a message was accepted.
type EventKind string

// The kinds. Not every provider reports every one.
const (
	EventSent        EventKind = "sent"
	EventDelivered   EventKind = "delivered"
	EventRead        EventKind = "read"        // opened
	EventFailed      EventKind = "failed"      // with a code, where the provider has codes
	EventDelayed     EventKind = "delayed"     // e-mail: the provider tries again
	EventBounce      EventKind = "bounce"      // e-mail: the address does not exist
	EventSoftBounce  EventKind = "soft_bounce" // e-mail: refused for now
	EventDropped     EventKind = "dropped"     // e-mail: the address is on the provider's own list
	EventComplaint   EventKind = "complaint"   // e-mail: marked as spam
	EventUnsubscribe EventKind = "unsubscribe" // by the provider's own means
	EventResubscribe EventKind = "resubscribe" // by the provider's own means
)

// Event is one event of a message.
type Event struct {
	Kind EventKind `json:"kind"`
	Code string    `json:"code,omitempty"` // the provider's code for a failure; SendGrid's reason for a drop
	At   time.Time `json:"at,omitzero"`    // zero is now
}

// Inbound is a customer's message to the shop's number.
type Inbound struct {
	Provider   string `json:"provider"` // twilio, whatsapp
	Channel    string `json:"channel"`  // sms, whatsapp
	From       string `json:"from"`
	To         string `json:"to"`                // the number, or the Cloud API's phone number id
	Service    string `json:"service,omitempty"` // Twilio's messaging service
	Text       string `json:"text"`
	OptOutType string `json:"opt_out_type,omitempty"` // the verdict of Twilio's Advanced Opt-Out: STOP, START or HELP
}

// CallbackOptions name the ingest that gets the callbacks.
type CallbackOptions struct {
	Ingest string           // its address, as http://127.0.0.1:3000
	Public string           // its PUBLIC_URL, which Twilio signs; empty is Ingest
	Client *http.Client     // nil is a client with a timeout of 30 seconds
	Now    func() time.Time // nil is time.Now
}

// Callbacks calls ingest as the providers do, each callback with its provider's signature. It is safe for concurrent use. Close it after use.
type Callbacks struct {
	server *Server
	o      CallbackOptions
	right  signers
	wrong  signers
	amazon *amazon

	mu  sync.Mutex
	ids int
}

// signers are the keys that the providers sign with.
type signers struct {
	twilio   string
	sendgrid *ecdsa.PrivateKey
	sns      *rsa.PrivateKey
	whatsapp string
}

// madeKeys returns the right keys and wrong ones. They are made once per process, since an RSA key takes a while.
var madeKeys = sync.OnceValues(func() (made [2]signers, err error) {
	for i := range made {
		sendgrid, ecdsaErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		sns, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
		err = errors.Join(err, ecdsaErr, rsaErr)
		made[i] = signers{twilio: TwilioAuthToken, sendgrid: sendgrid, sns: sns, whatsapp: WhatsAppAppSecret}
	}
	made[1].twilio, made[1].whatsapp = "anothertoken", "another-secret"
	return made, err
})

// Callbacks returns the other half of the providers, which calls ingest. It also enables the paths below /_emulator/callbacks. A later call
// replaces the options there.
func (s *Server) Callbacks(o CallbackOptions) (*Callbacks, error) {
	made, err := madeKeys()
	if err != nil {
		return nil, err
	}
	if o.Public == "" {
		o.Public = o.Ingest
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 30 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Callbacks{server: s, o: o, right: made[0], wrong: made[1]}
	if c.amazon, err = newAmazon(c.right.sns); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.callbacks = c
	s.mu.Unlock()
	return c, nil
}

// Close ends the server that stands in for Amazon.
func (c *Callbacks) Close() { c.amazon.server.Close() }

// Amazon returns a transport to the server that stands in for Amazon, whatever the host of a request. The server has the certificate that
// SNS signs with, and confirms subscriptions. It speaks TLS with a certificate of its own authority.
func (c *Callbacks) Amazon() http.RoundTripper { return c.amazon.transport }

// Confirmed returns the tokens of the confirmed subscriptions.
func (c *Callbacks) Confirmed() []string { return c.amazon.confirmed() }

// Fetched returns the number of requests for the certificate.
func (c *Callbacks) Fetched() int { return c.amazon.fetched() }

// Environment returns the variables that ingest needs to trust these callbacks.
func (c *Callbacks) Environment() map[string]string {
	out := map[string]string{
		"PUBLIC_URL": c.o.Public, "TWILIO_AUTH_TOKEN": c.right.twilio, "SENDGRID_WEBHOOK_PUBLIC_KEY": sendgridPublicKey(c.right.sendgrid),
		"WHATSAPP_APP_SECRET": c.right.whatsapp, "WHATSAPP_VERIFY_TOKEN": WhatsAppVerifyToken, "SES_TOPIC_ARN": SESTopicARN,
	}
	for _, d := range c.server.dialects {
		maps.Copy(out, d.Environment)
	}
	return out
}

// Callback is one request of a provider to ingest.
type Callback struct {
	Provider string
	Method   string
	URL      string // below PUBLIC_URL
	Header   http.Header
	Body     []byte

	// sign makes the headers and the body again, with other keys or at another time.
	sign func(genuine bool, at time.Time) (http.Header, []byte)
	now  time.Time
}

// Sign makes a POST of a provider to a path below PUBLIC_URL. sign returns its headers and its body, signed at a time: with the provider's
// key where the callback is genuine, otherwise with another key.
func (c *Callbacks) Sign(provider, path string, sign func(genuine bool, at time.Time) (http.Header, []byte)) Callback {
	return c.signURL(provider, strings.TrimSuffix(c.o.Public, "/")+path, sign)
}

// signURL makes a POST to an address.
func (c *Callbacks) signURL(provider, target string, sign func(genuine bool, at time.Time) (http.Header, []byte)) Callback {
	out := Callback{Provider: provider, Method: http.MethodPost, URL: target, sign: sign, now: c.o.Now()}
	out.Header, out.Body = sign(true, out.now)
	return out
}

// keys returns the keys of the built-in dialects: the right ones where a callback is genuine, otherwise wrong ones.
func (c *Callbacks) keys(genuine bool) signers {
	if genuine {
		return c.right
	}
	return c.wrong
}

// Forged returns the same callback, signed with another key.
func (cb Callback) Forged() Callback {
	cb.Header, cb.Body = cb.sign(false, cb.now)
	return cb
}

// SignedAt returns the same callback, signed at another time. That makes a difference where the provider signs the time.
func (c *Callbacks) SignedAt(cb Callback, at time.Time) Callback {
	cb.Header, cb.Body = cb.sign(true, at)
	return cb
}

// With returns the same callback with another header. An empty value removes the header.
func (cb Callback) With(name, value string) Callback {
	cb.Header = cb.Header.Clone()
	if value == "" {
		cb.Header.Del(name)
	} else {
		cb.Header.Set(name, value)
	}
	return cb
}

// WithBody returns the same callback with another body under the same signature.
func (cb Callback) WithBody(body []byte) Callback {
	cb.Body = body
	return cb
}

// Answer is ingest's answer to a callback.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Send posts a callback to the Ingest of the options, as a proxy before ingest would. A status other than 2xx is not an error.
func (c *Callbacks) Send(ctx context.Context, cb Callback) (Answer, error) {
	target, err := url.Parse(cb.URL)
	if err != nil {
		return Answer{}, err
	}
	ingest, err := url.Parse(c.o.Ingest)
	if err != nil {
		return Answer{}, err
	}
	public, err := url.Parse(c.o.Public)
	if err != nil {
		return Answer{}, err
	}
	path := strings.TrimPrefix(target.EscapedPath(), strings.TrimSuffix(public.EscapedPath(), "/"))
	to := ingest.Scheme + "://" + ingest.Host + path
	if target.RawQuery != "" {
		to += "?" + target.RawQuery
	}
	r, err := http.NewRequestWithContext(ctx, cb.Method, to, bytes.NewReader(cb.Body))
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(r.Header, cb.Header)
	resp, err := c.o.Client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}

// id returns a new id for a message or an event.
func (c *Callbacks) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	return fmt.Sprintf("%032x", c.ids)
}

// moment returns the time of an event.
func (c *Callbacks) moment(e Event) time.Time {
	if e.At.IsZero() {
		return c.o.Now()
	}
	return e.At
}

// Report returns the callbacks for a message's events, in their order: one per event, or a single one from a provider that sends batches.
// The error names an event that the provider does not report.
func (c *Callbacks) Report(m Message, events ...Event) ([]Callback, error) {
	d := c.server.dialect(m.Provider)
	if d.Report == nil {
		return nil, fmt.Errorf("%s has no delivery reports", m.Provider)
	}
	return d.Report(c, m, events)
}

// Each returns one callback per event: the Report of a provider that sends no batches. It stops at the first error.
func Each(events []Event, build func(Event) (Callback, error)) ([]Callback, error) {
	var out []Callback
	for _, e := range events {
		cb, err := build(e)
		if err != nil {
			return nil, err
		}
		out = append(out, cb)
	}
	return out, nil
}

// Unsupported is the error of an event that a provider does not report.
func Unsupported(provider string, kind EventKind) error {
	return fmt.Errorf("%s does not report %q", provider, kind)
}

// Receive returns the callback for a customer's message to the shop. A provider without such messages is an error.
func (c *Callbacks) Receive(in Inbound) (Callback, error) {
	d := c.server.dialect(in.Provider)
	if d.Receive == nil {
		return Callback{}, fmt.Errorf("%s takes no messages from customers", in.Provider)
	}
	return d.Receive(c, in), nil
}

// Plan are the events of all accepted messages with this provider, channel and recipient.
type Plan struct {
	Provider string  `json:"provider,omitempty"` // empty for all
	Channel  string  `json:"channel,omitempty"`
	To       string  `json:"to,omitempty"`
	Events   []Event `json:"events"`
	Repeat   int     `json:"repeat,omitempty"`  // how often each callback is sent; 0 is once
	Shuffle  uint64  `json:"shuffle,omitempty"` // the seed of another order of the callbacks; 0 is the usual order
	Forge    bool    `json:"forge,omitempty"`   // sign with a wrong key
}

// Played is the result of a plan. Answers has the number of answers by HTTP status.
type Played struct {
	Messages  int         `json:"messages"`
	Callbacks int         `json:"callbacks"`
	Answers   map[int]int `json:"answers"`
}

// Play sends the callbacks of a plan to ingest. On an error it returns the result so far.
func (c *Callbacks) Play(ctx context.Context, plan Plan) (Played, error) {
	played := Played{Answers: map[int]int{}}
	var all []Callback
	for _, m := range c.server.Messages() {
		if plan.Provider != "" && plan.Provider != m.Provider || plan.Channel != "" && plan.Channel != m.Channel || plan.To != "" && plan.To != m.To {
			continue
		}
		played.Messages++
		for range max(1, plan.Repeat) {
			callbacks, err := c.Report(m, plan.Events...)
			if err != nil {
				return played, err
			}
			all = append(all, callbacks...)
		}
	}
	if plan.Shuffle != 0 {
		mathrand.New(mathrand.NewPCG(plan.Shuffle, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	for _, cb := range all {
		if plan.Forge {
			cb = cb.Forged()
		}
		answer, err := c.Send(ctx, cb)
		if err != nil {
			return played, err
		}
		played.Callbacks++
		played.Answers[answer.Status]++
	}
	return played, nil
}

// serveCallbacks answers below /_emulator/callbacks: ingest's environment for a GET, the result of a plan or of an inbound message for a POST.
func (s *Server) serveCallbacks(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.callbacks
	s.mu.Unlock()
	if c == nil {
		http.Error(w, "the emulator does not know where ingest is: start it with -ingest", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodGet {
		writeJSON(w, http.StatusOK, c.Environment())
		return
	}
	var order struct {
		Plan
		Inbound *Inbound `json:"inbound"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&order); err != nil {
		http.Error(w, "send a plan, or an inbound message: "+err.Error(), http.StatusBadRequest)
		return
	}
	play := func() (Played, error) { return c.Play(r.Context(), order.Plan) }
	if order.Inbound != nil {
		play = func() (Played, error) {
			cb, err := c.Receive(*order.Inbound)
			if err != nil {
				return Played{}, err
			}
			answer, err := c.Send(r.Context(), cb)
			return Played{Callbacks: 1, Answers: map[int]int{answer.Status: 1}}, err
		}
	}
	played, err := play()
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	writeJSON(w, http.StatusOK, played)
}
