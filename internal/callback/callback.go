// Package callback takes what providers say after the send: delivery reports, and that somebody wants no more messages. Each callback is
// verified by its provider's own signature, over the bytes as they came, before anything in it is believed; what it says becomes
// delivery.News, which the queue applies.
//
// A callback that cannot be applied just now is answered 503, and providers send it again (Twilio only where its address says so, by
// connection overrides). So every report may come twice, late, and in any order; an EventID tells a repetition from news.
package callback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
)

// The addresses that providers call, below PUBLIC_URL.
const (
	PathTwilio   = "/callbacks/twilio"
	PathSendGrid = "/callbacks/sendgrid"
	PathSES      = "/callbacks/ses"
	PathWhatsApp = "/callbacks/whatsapp"
)

const (
	// takeTimeout is for the queue. Providers wait 15 s (Twilio, Amazon SNS) or somewhat less.
	takeTimeout = 5 * time.Second
	// retryAfter is what a provider is asked to wait, in seconds, when the queue is away.
	retryAfter = "5"
)

// Sink takes news: the queue. An error means that it could not, and that the same news should come again.
type Sink interface {
	Take(ctx context.Context, n report.Update) error
}

// Options are what a Receiver is made of. All are required but Now and Transport.
type Options struct {
	Config     Config
	Sink       Sink
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Now        func() time.Time // nil: the clock
	// Transport is the way to Amazon, for the certificates that SNS signs with and to confirm a subscription. nil is the usual one. A test puts
	// something in Amazon's place here; what is asked for, and what is believed, stays the same.
	Transport http.RoundTripper
}

// Receiver answers callbacks. It is safe for concurrent use.
type Receiver struct {
	sink        Sink
	log         *slog.Logger
	routes      []route
	challenge   http.HandlerFunc // GET of the Cloud API; nil when it is not configured
	callbacks   *prometheus.CounterVec
	reports     *prometheus.CounterVec
	preferences *prometheus.CounterVec
}

// route is one provider's way of calling.
type route struct {
	path     string
	provider string   // by the catalogue's name
	setting  []string // the variables that turn it on
	kinds    []string // media types that it sends
	limit    int64    // bytes of a body
	// read verifies a callback and says what is in it. Errors: *refusal. nil when the provider is not configured.
	read func(r *http.Request, body []byte) (report.Update, reply, error)
}

// reply is the answer to a callback that was taken.
type reply struct {
	status      int
	contentType string
	body        string
}

// ok is the usual one.
var ok = reply{status: http.StatusOK}

// New returns the endpoints. Errors are of the configuration.
func New(o Options) (*Receiver, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Receiver{
		sink: o.Sink, log: o.Log,
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_callbacks_total",
			Help: "Requests of providers, by what was answered; forged is one whose signature is wrong or missing, nothing one without news.",
		}, []string{"provider", "outcome"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_delivery_reports_total", Help: "Delivery reports, repeated ones too, by the message's state and, when it failed, why.",
		}, []string{"provider", "channel", "state", "reason"}),
		preferences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_preferences_total", Help: "Opt-outs and opt-ins that providers passed on, repeated ones too, and why.",
		}, []string{"provider", "channel", "kind", "why"}),
	}
	o.Registerer.MustRegister(c.callbacks, c.reports, c.preferences)
	vocabulary, err := newWords(o.Config.StopWords, o.Config.StartWords)
	if err != nil {
		return nil, err
	}
	c.routes = []route{
		newTwilio(&o, vocabulary), newSendGrid(&o), newSES(&o), newWhatsApp(&o, vocabulary),
	}
	if token := o.Config.WhatsAppVerifyToken; token != "" {
		c.challenge = challenge(token, c.count)
	}
	for _, r := range c.routes {
		if r.read == nil {
			o.Log.Info("callbacks are not taken: not configured", "provider", r.provider, "path", r.path, "set", strings.Join(r.setting, ", "))
			continue
		}
		// So that an alert on forged ones has something to begin at.
		for _, outcome := range []string{outcomeTaken, outcomeForged, outcomeUnavailable} {
			c.callbacks.WithLabelValues(r.provider, outcome)
		}
	}
	return c, nil
}

// Routes adds the endpoints to a router.
func (c *Receiver) Routes(r chi.Router) {
	for _, one := range c.routes {
		r.Post(one.path, c.serve(one))
	}
	r.Get(PathWhatsApp, func(w http.ResponseWriter, r *http.Request) {
		if c.challenge == nil {
			missing("WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN").write(w)
			return
		}
		c.challenge(w, r)
	})
}

// The outcomes of a callback, for the metric.
const (
	outcomeTaken       = "taken"
	outcomeNothing     = "nothing"
	outcomeForged      = "forged"
	outcomeMalformed   = "malformed"
	outcomeMediaType   = "media_type"
	outcomeTooLarge    = "too_large"
	outcomeUnavailable = "unavailable"
)

func (c *Receiver) count(providerName, outcome string) {
	c.callbacks.WithLabelValues(providerName, outcome).Inc()
}

// serve answers one provider's callbacks.
func (c *Receiver) serve(to route) http.HandlerFunc {
	if to.read == nil {
		return func(w http.ResponseWriter, _ *http.Request) { missing(to.setting...).write(w) }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		answer, outcome, err := c.take(to, r)
		c.count(to.provider, outcome)
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) {
				refused = &refusal{status: http.StatusInternalServerError}
			}
			refused.write(w)
			return
		}
		if answer.contentType != "" {
			w.Header().Set("Content-Type", answer.contentType)
		}
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body) // the provider may be gone
	}
}

// take verifies a callback and hands its news on. Errors: *refusal.
func (c *Receiver) take(to route, r *http.Request) (reply, string, error) {
	body, err := readBody(r, to.kinds, to.limit)
	var news report.Update
	var answer reply
	if err == nil {
		news, answer, err = to.read(r, body)
	}
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		c.log.Warn("callback refused", "provider", to.provider, "status", refused.status, "reason", refused.detail)
		return reply{}, refused.outcome, err
	case err != nil:
		return reply{}, outcomeMalformed, err
	case len(news.Reports) == 0 && len(news.Preferences) == 0:
		return answer, outcomeNothing, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), takeTimeout)
	defer cancel()
	if err := c.sink.Take(ctx, news); err != nil {
		c.log.Error("callback not taken: the queue is unavailable", "provider", to.provider, "error", err)
		return reply{}, outcomeUnavailable, &refusal{status: http.StatusServiceUnavailable, detail: "the queue cannot take it now; send it again"}
	}
	for i := range news.Reports {
		r := &news.Reports[i]
		var why string
		if r.Err != nil {
			why = string(r.Err.Reason)
		}
		c.reports.WithLabelValues(r.Provider, string(r.Channel), string(r.State), why).Inc()
	}
	for i := range news.Preferences {
		p := &news.Preferences[i]
		c.preferences.WithLabelValues(p.Provider, string(p.Channel), string(p.Kind), string(p.Why)).Inc()
	}
	c.log.Debug("callback taken", "provider", to.provider, "reports", len(news.Reports), "preferences", len(news.Preferences))
	return answer, outcomeTaken, nil
}

// readBody reads what a provider sent. Errors: *refusal.
func readBody(r *http.Request, kinds []string, limit int64) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(kinds, kind) {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, outcome: outcomeMediaType, detail: "send Content-Type: " + strings.Join(kinds, " or ")}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, outcome: outcomeMediaType, detail: "send the body without Content-Encoding"}
	}
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, outcome: outcomeTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes", limit)}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	// Room for what is announced, but not much before it has come.
	var buffer bytes.Buffer
	buffer.Grow(int(min(max(r.ContentLength, 0), 32<<10)) + bytes.MinRead)
	_, err = buffer.ReadFrom(io.LimitReader(r.Body, limit+1))
	if int64(buffer.Len()) > limit {
		return nil, tooLarge
	}
	if err != nil {
		return nil, malformed("the body ended before it was whole, or came too slowly")
	}
	return buffer.Bytes(), nil
}

// refusal is an answer by RFC 9457, application/problem+json. Its detail says nothing of a secret.
type refusal struct {
	status  int
	outcome string
	detail  string
}

func (e *refusal) Error() string { return e.detail }

// forged is the refusal of what the provider did not sign.
func forged(detail string) error {
	return &refusal{status: http.StatusForbidden, outcome: outcomeForged, detail: detail}
}

// malformed is the refusal of what cannot be read.
func malformed(detail string) error {
	return &refusal{status: http.StatusBadRequest, outcome: outcomeMalformed, detail: detail}
}

// missing is the answer where a provider is not configured.
func missing(settings ...string) *refusal {
	return &refusal{status: http.StatusNotFound, detail: "these callbacks are not configured: set " + strings.Join(settings, " and ")}
}

func (e *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(e.status)
	// about:blank says that the status is all there is to its type (RFC 9457, section 4.2.1). The provider may be gone.
	_ = json.NewEncoder(w).Encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{"about:blank", http.StatusText(e.status), e.status, e.detail})
}

// jobOf reads the value that was sent along with a message; "" when it is no job's id on this channel, but something of somebody else who
// uses the same account.
func jobOf(value string, channels ...message.Channel) (string, message.Channel) {
	_, channel, _, err := job.ParseID(value)
	if err != nil || !slices.Contains(channels, channel) {
		return "", ""
	}
	return value, channel
}

// e164 is a number as providers write it, with + (ITU-T E.164).
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// emailOf returns an e-mail address in the form that messages are addressed in; "" for what is none.
func emailOf(text string) message.Address {
	if parsed, err := mail.ParseAddress(text); err == nil {
		text = parsed.Address // a bounce may quote the whole To header
	}
	to, err := address.Email(text)
	if err != nil {
		return ""
	}
	return to
}

// digest names an event that the provider gave no id, by all that it says: the same bytes are the same event.
func digest(event []byte) string {
	sum := sha256.Sum256(event)
	return hex.EncodeToString(sum[:16])
}

// lastSecond is the end of the year 9999, after which a time cannot be written as JSON.
const lastSecond = 253402300799

// instant is a moment in Unix seconds, as a number or in quotes; zero for what is none, so that a time that cannot be read does not take
// the rest along.
type instant struct{ time.Time }

// UnmarshalJSON reads what there is.
func (i *instant) UnmarshalJSON(text []byte) error {
	i.Time = time.Time{}
	if n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64); err == nil && n > 0 && n <= lastSecond {
		i.Time = time.Unix(n, 0).UTC()
	}
	return nil
}

// unexplained is the error of a message that failed without a code.
func unexplained() *failure.Error {
	return &failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable, Detail: "it failed, and the provider gave no reason"}
}
