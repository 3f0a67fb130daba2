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

// EventKind is something that happens to a message after it was taken.
type EventKind string

// The kinds. Not every provider reports every one.
const (
	EventSent        EventKind = "sent"
	EventDelivered   EventKind = "delivered"
	EventRead        EventKind = "read"        // opened
	EventFailed      EventKind = "failed"      // with a code, where the provider has codes
	EventDelayed     EventKind = "delayed"     // e-mail: the provider goes on trying
	EventBounce      EventKind = "bounce"      // e-mail: there is no such address
	EventSoftBounce  EventKind = "soft_bounce" // e-mail: refused for now
	EventDropped     EventKind = "dropped"     // e-mail: the address is on a list of the provider's
	EventComplaint   EventKind = "complaint"   // e-mail: called spam
	EventUnsubscribe EventKind = "unsubscribe" // by the provider's own means
	EventResubscribe EventKind = "resubscribe" // by the provider's own means
)

// Event happens to a message.
type Event struct {
	Kind EventKind `json:"kind"`
	Code string    `json:"code,omitempty"` // the provider's, of a failure; SendGrid's reason of a drop
	At   time.Time `json:"at,omitzero"`    // now when it is zero
}

// Inbound is a person's message to the shop's number.
type Inbound struct {
	Provider   string `json:"provider"` // twilio, whatsapp
	Channel    string `json:"channel"`  // sms, whatsapp
	From       string `json:"from"`
	To         string `json:"to"`                     // the number, or the Cloud API's phone number id
	Service    string `json:"service,omitempty"`      // Twilio's messaging service
	Text       string `json:"text"`                   //
	OptOutType string `json:"opt_out_type,omitempty"` // what Twilio's Advanced Opt-Out made of it
}

// CallbackOptions say where ringup's ingest is.
type CallbackOptions struct {
	Ingest string           // where it is reached, as http://127.0.0.1:3000
	Public string           // its PUBLIC_URL, which Twilio signs; Ingest when empty
	Client *http.Client     // the standard one when nil
	Now    func() time.Time // the clock when nil
}

// Callbacks calls ingest as the providers do, each callback with its provider's signature. It is safe for concurrent use; close it.
type Callbacks struct {
	server *Server
	o      CallbackOptions
	right  signers
	wrong  signers
	amazon *amazon

	mu  sync.Mutex
	ids int
}

// signers are what the providers sign with.
type signers struct {
	twilio   string
	sendgrid *ecdsa.PrivateKey
	sns      *rsa.PrivateKey
	whatsapp string
}

// madeKeys are made once in a process: an RSA key takes a while.
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

// Callbacks begins to be the providers' other half, which reports.
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

// Close ends what stands in for Amazon.
func (c *Callbacks) Close() { c.amazon.server.Close() }

// Amazon is the way to what stands in for Amazon: it serves the certificate that SNS signs with, over TLS by an authority of its own, and
// confirms subscriptions. Whatever host is asked for, the connection ends there.
func (c *Callbacks) Amazon() http.RoundTripper { return c.amazon.transport }

// Confirmed returns the tokens of the subscriptions that were confirmed.
func (c *Callbacks) Confirmed() []string { return c.amazon.confirmed() }

// Fetched returns how often the certificate was asked for.
func (c *Callbacks) Fetched() int { return c.amazon.fetched() }

// Environment are the variables that ingest needs to trust these callbacks.
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

// Callback is one request of a provider's.
type Callback struct {
	Provider string
	Method   string
	URL      string // as the provider knows it
	Header   http.Header
	Body     []byte

	// sign makes the headers and the body anew, with other keys or at another time.
	sign func(genuine bool, at time.Time) (http.Header, []byte)
	now  time.Time
}

// Sign makes a POST of a provider to a path below PUBLIC_URL. sign returns its headers and its body, signed with the provider's key at a time, or
// with another key where the callback is not genuine.
func (c *Callbacks) Sign(provider, path string, sign func(genuine bool, at time.Time) (http.Header, []byte)) Callback {
	return c.signURL(provider, strings.TrimSuffix(c.o.Public, "/")+path, sign)
}

// signURL makes a POST to an address.
func (c *Callbacks) signURL(provider, target string, sign func(genuine bool, at time.Time) (http.Header, []byte)) Callback {
	out := Callback{Provider: provider, Method: http.MethodPost, URL: target, sign: sign, now: c.o.Now()}
	out.Header, out.Body = sign(true, out.now)
	return out
}

// keys are those that the built-in dialects sign with: the right ones, or others.
func (c *Callbacks) keys(genuine bool) signers {
	if genuine {
		return c.right
	}
	return c.wrong
}

// Forged is the same callback, signed with another key.
func (cb Callback) Forged() Callback {
	cb.Header, cb.Body = cb.sign(false, cb.now)
	return cb
}

// SignedAt is the same callback as it would be signed at another time, where a provider signs the time.
func (c *Callbacks) SignedAt(cb Callback, at time.Time) Callback {
	cb.Header, cb.Body = cb.sign(true, at)
	return cb
}

// With is the same callback with another header; an empty value takes it away.
func (cb Callback) With(name, value string) Callback {
	cb.Header = cb.Header.Clone()
	if value == "" {
		cb.Header.Del(name)
	} else {
		cb.Header.Set(name, value)
	}
	return cb
}

// WithBody is the same callback with another body under the same signature.
func (cb Callback) WithBody(body []byte) Callback {
	cb.Body = body
	return cb
}

// Answer is what ingest said.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Send makes the request. The way to ingest is the options'; a proxy between would change the host in the same manner.
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

// id names something that the providers make.
func (c *Callbacks) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	return fmt.Sprintf("%032x", c.ids)
}

// moment is when an event happened.
func (c *Callbacks) moment(e Event) time.Time {
	if e.At.IsZero() {
		return c.o.Now()
	}
	return e.At
}

// Report returns what a message's provider says about events of it, in their order: one callback for each, or one for all of them from a
// provider that sends batches. The error says what the provider would not report.
func (c *Callbacks) Report(m Message, events ...Event) ([]Callback, error) {
	d := c.server.dialect(m.Provider)
	if d.Report == nil {
		return nil, fmt.Errorf("%s reports nothing", m.Provider)
	}
	return d.Report(c, m, events)
}

// Each returns the callbacks of events, one for each: the Report of a provider that sends no batches.
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

// Receive returns the callback of a person's message to the shop.
func (c *Callbacks) Receive(in Inbound) (Callback, error) {
	d := c.server.dialect(in.Provider)
	if d.Receive == nil {
		return Callback{}, fmt.Errorf("%s takes no messages of people", in.Provider)
	}
	return d.Receive(c, in), nil
}

// Plan is what happens to every message that was taken and fits.
type Plan struct {
	Provider string  `json:"provider,omitempty"` // empty for all
	Channel  string  `json:"channel,omitempty"`
	To       string  `json:"to,omitempty"`
	Events   []Event `json:"events"`
	Repeat   int     `json:"repeat,omitempty"`  // how often each callback comes; 0 and 1 are once
	Shuffle  uint64  `json:"shuffle,omitempty"` // a seed: callbacks come in another order
	Forge    bool    `json:"forge,omitempty"`   // with a wrong signature
}

// Played is what came of a plan: how often each status was answered.
type Played struct {
	Messages  int         `json:"messages"`
	Callbacks int         `json:"callbacks"`
	Answers   map[int]int `json:"answers"`
}

// Play reports the plan's events of every message that was taken.
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

// serveCallbacks serves the emulator as a process: the environment of ingest, a plan, a message to the shop.
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
