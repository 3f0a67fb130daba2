package aws

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS's choice for signature version 1, the standard one of its topics
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/provider"
)

const (
	// snsWindow is how far a signed timestamp may be from now: SNS repeats a message for an hour at most (docs.aws.amazon.com/sns, "Creating an HTTP/S
	// delivery policy"), and clocks differ.
	snsWindow = time.Hour + 5*time.Minute
	// amazonTimeout bounds a request to Amazon; SNS itself waits 15 s for the answer.
	amazonTimeout = 5 * time.Second
	// maxCertificate is how much of a certificate's file is read, in bytes; Amazon's have some 2 KB.
	maxCertificate = 64 << 10
	// certificateAge bounds how long a certificate is cached. Amazon gives a new certificate another name.
	certificateAge = 24 * time.Hour
	// maxCertificates bounds how many are cached: one for each region, and a second while it changes.
	maxCertificates = 16
	// A certificate that could not be had is not asked for again within refusedAge, for maxRefused addresses: a stranger who knows a topic's
	// name can name certificates that there are not.
	refusedAge = time.Minute
	maxRefused = 1000
	// maxFetches certificates are fetched at a time. maxWaiting callbacks wait for their turn, fetchPatience at most; SNS sends the others again.
	maxFetches, maxWaiting = 4, 16
	fetchPatience          = 2 * time.Second
	// minRSA is the shortest key that is trusted, in bits. Amazon's have 2048.
	minRSA = 2048
)

// envelope is what Amazon SNS posts (docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html).
type envelope struct {
	Type             string  `json:"Type"`
	MessageID        string  `json:"MessageId"`
	Token            string  `json:"Token"`
	TopicARN         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	SubscribeURL     string  `json:"SubscribeURL"`
	Timestamp        string  `json:"Timestamp"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
}

// The types of an envelope.
const (
	snsNotification = "Notification"
	snsSubscribe    = "SubscriptionConfirmation"
	snsUnsubscribe  = "UnsubscribeConfirmation"
)

// parseEnvelope reads an envelope. Errors: *inbound.Problem.
func parseEnvelope(body []byte) (*envelope, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, inbound.Malformed("the body is not a message of Amazon SNS")
	}
	if e.Type != snsNotification && e.Type != snsSubscribe && e.Type != snsUnsubscribe || e.MessageID == "" {
		return nil, inbound.Malformed("the body is not a message of Amazon SNS")
	}
	return &e, nil
}

// text returns the text that SNS signs: names and values on lines of their own, sorted by name
// (docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
func (e *envelope) text() []byte {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	line("Message", e.Message)
	line("MessageId", e.MessageID)
	if e.Type == snsNotification {
		if e.Subject != nil {
			line("Subject", *e.Subject)
		}
	} else {
		line("SubscribeURL", e.SubscribeURL)
	}
	line("Timestamp", e.Timestamp)
	if e.Type != snsNotification {
		line("Token", e.Token)
	}
	line("TopicArn", e.TopicARN)
	line("Type", e.Type)
	return []byte(b.String())
}

// sns verifies envelopes, and confirms subscriptions.
type sns struct {
	topics []string
	client *http.Client
	now    func() time.Time

	waiting, fetching chan struct{} // a place for each callback that waits, or fetches
	mu                sync.Mutex
	cached            map[string]cachedKey // by the certificate's address
	refused           map[string]refusal   // by the certificate's address
}

// refusal says why there is no certificate, and until when it is not asked for again.
type refusal struct {
	err   error
	until time.Time
}

// cachedKey is the key of a certificate, and until when it is not fetched again.
type cachedKey struct {
	key   *rsa.PublicKey
	until time.Time
}

func newSNS(topics []string, amazon http.RoundTripper, now func() time.Time) *sns {
	return &sns{
		topics: topics, now: now, cached: map[string]cachedKey{}, refused: map[string]refusal{},
		waiting: make(chan struct{}, maxWaiting), fetching: make(chan struct{}, maxFetches),
		client: &http.Client{
			Transport: amazon, Timeout: amazonTimeout,
			// Amazon redirects neither request, and another host has not been checked.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// verify checks that an envelope comes from Amazon, for one of the topics, and recently. Errors: *inbound.Problem.
func (s *sns) verify(ctx context.Context, e *envelope) error {
	// Before anything is fetched on behalf of a stranger.
	if !slices.Contains(s.topics, e.TopicARN) {
		return provider.Forged("SES_TOPIC_ARN does not name this topic")
	}
	at, err := time.Parse(time.RFC3339, e.Timestamp)
	if err != nil || s.now().Sub(at).Abs() > snsWindow {
		return provider.Forged("the Timestamp is more than " + snsWindow.String() + " from now, or is invalid")
	}
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil || len(signature) == 0 {
		return provider.Forged("the Signature is missing, or is not base64")
	}
	var algorithm crypto.Hash
	var sum []byte
	switch text := e.text(); e.SignatureVersion {
	case "1":
		digest := sha1.Sum(text) //nolint:gosec // see the import
		algorithm, sum = crypto.SHA1, digest[:]
	case "2":
		digest := sha256.Sum256(text)
		algorithm, sum = crypto.SHA256, digest[:]
	default:
		return provider.Forged("the SignatureVersion is not known: there are 1 and 2")
	}
	if u, is := amazonURL(e.SigningCertURL); !is || u.Host != hostOf(e.TopicARN) {
		return provider.Forged("the SigningCertURL is not that of Amazon in the topic's region")
	}
	key, err := s.key(ctx, e.SigningCertURL)
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(key, algorithm, sum, signature) != nil {
		return provider.Forged("the Signature does not fit the message")
	}
	return nil
}

var (
	// amazonHost is SNS's own, in any region and partition. A customer's bucket or instance has another name.
	amazonHost = regexp.MustCompile(`^sns\.[a-z]{2,4}(-[a-z0-9]+)+\.amazonaws\.com(\.cn)?$`)
	// certificatePath is the form of the names of SNS's certificates.
	certificatePath = regexp.MustCompile(`^/SimpleNotificationService-[0-9A-Za-z]+\.pem$`)
)

// amazonURL reads an address that has to be SNS's: https, without a port or a user.
func amazonURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || !amazonHost.MatchString(u.Host) {
		return nil, false
	}
	return u, true
}

// hostOf returns SNS's host in the region of a topic, arn:partition:sns:region:account:name. Another host is not asked on behalf of a stranger, who
// could choose one that does not answer.
func hostOf(topic string) string {
	parts := strings.Split(topic, ":")
	if len(parts) < 6 {
		return ""
	}
	host := "sns." + parts[3] + ".amazonaws.com"
	if parts[1] == "aws-cn" {
		host += ".cn"
	}
	return host
}

// key returns the key of a certificate, fetched when it is not cached. Errors: *inbound.Problem.
func (s *sns) key(ctx context.Context, address string) (*rsa.PublicKey, error) {
	u, is := amazonURL(address)
	if !is || !certificatePath.MatchString(u.Path) || u.RawPath != "" || u.RawQuery != "" || u.ForceQuery {
		return nil, provider.Forged("the SigningCertURL is not Amazon's")
	}
	address = u.String()
	if key, err := s.find(address); key != nil || err != nil {
		return key, err
	}
	done, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if key, err := s.find(address); key != nil || err != nil {
		return key, err // another callback has asked for it meanwhile
	}
	parsed, err := s.fetch(ctx, address)
	if err != nil {
		s.refuse(address, err)
		return nil, err
	}
	s.cache(address, parsed)
	return parsed.key, nil
}

// enter waits for a place to fetch a certificate; done gives it back. Errors: *inbound.Problem.
func (s *sns) enter(ctx context.Context) (done func(), err error) {
	away := inbound.Unavailable("the certificate cannot be fetched now; send it again")
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		return nil, away
	}
	ctx, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	select {
	case s.fetching <- struct{}{}:
		return func() { <-s.fetching }, nil
	case <-ctx.Done():
		return nil, away
	}
}

// fetch asks Amazon for a certificate. Errors: *inbound.Problem.
func (s *sns) fetch(ctx context.Context, address string) (cachedKey, error) {
	body, err := s.get(ctx, address)
	var answered *answerError
	switch {
	case errors.As(err, &answered) && answered.status >= 400 && answered.status < 500 && answered.status != http.StatusTooManyRequests:
		return cachedKey{}, provider.Forged("Amazon has no certificate at the SigningCertURL")
	case err != nil:
		return cachedKey{}, inbound.Unavailable("the certificate cannot be fetched now; send it again")
	}
	parsed, err := s.parse(body)
	if err != nil {
		return cachedKey{}, provider.Forged(err.Error())
	}
	return parsed, nil
}

// parse reads the key in a certificate's file. TLS has authenticated the host that it comes from, and the file has no chain of its own: what is
// left to check is that the certificate is valid today and has an RSA key that is long enough.
func (s *sns) parse(file []byte) (cachedKey, error) {
	block, _ := pem.Decode(file)
	if block == nil || block.Type != "CERTIFICATE" {
		return cachedKey{}, errors.New("the SigningCertURL has no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return cachedKey{}, errors.New("the SigningCertURL has no certificate")
	}
	now := s.now()
	if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return cachedKey{}, errors.New("the certificate at the SigningCertURL is not valid now")
	}
	key, is := certificate.PublicKey.(*rsa.PublicKey)
	if !is || key.N.BitLen() < minRSA {
		return cachedKey{}, fmt.Errorf("the certificate at the SigningCertURL has no RSA key of %d bits or more", minRSA)
	}
	until := now.Add(certificateAge)
	if certificate.NotAfter.Before(until) {
		until = certificate.NotAfter
	}
	return cachedKey{key, until}, nil
}

// find returns the key of a certificate, or why there is none; neither where that is not known.
func (s *sns) find(address string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, found := s.cached[address]; found && s.now().Before(k.until) {
		return k.key, nil
	}
	if r, found := s.refused[address]; found && s.now().Before(r.until) {
		return nil, r.err
	}
	return nil, nil
}

// refuse remembers that there is no certificate. That Amazon is away is not remembered.
func (s *sns) refuse(address string, err error) {
	if inbound.AsProblem(err).Status != http.StatusForbidden {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) >= maxRefused {
		clear(s.refused) // they are asked for again
	}
	s.refused[address] = refusal{err, s.now().Add(refusedAge)}
}

func (s *sns) cache(address string, k cachedKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cached) >= maxCertificates {
		clear(s.cached) // they are fetched again as they are needed
	}
	s.cached[address] = k
}

// get fetches an address that amazonURL has checked.
func (s *sns) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCertificate))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &answerError{resp.StatusCode}
	}
	return body, nil
}

// answerError is an answer of Amazon with another status than 200.
type answerError struct{ status int }

func (e *answerError) Error() string { return fmt.Sprintf("answered %d", e.status) }

// confirm tells Amazon that the topic may send here. The envelope has to be verified. Errors: *inbound.Problem.
func (s *sns) confirm(ctx context.Context, e *envelope) error {
	u, is := amazonURL(e.SubscribeURL)
	if !is || u.Path != "/" || u.Query().Get("Action") != "ConfirmSubscription" || u.Query().Get("TopicArn") != e.TopicARN {
		return provider.Forged("the SubscribeURL is not Amazon's, or not for this topic")
	}
	if _, err := s.get(ctx, u.String()); err != nil {
		return inbound.Unavailable("the subscription cannot be confirmed now; send it again")
	}
	return nil
}
