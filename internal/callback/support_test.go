package callback

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

func secretOf(text string) secret.String { return secret.String(text) }

func certificateOf(t *testing.T, key *rsa.PrivateKey, from, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func sesReader(topic string, now time.Time, amazon roundTrip) *ses {
	clock := func() time.Time { return now }
	return &ses{sns: newSNS([]string{topic}, &Options{Now: clock, Transport: amazon}), log: slog.New(slog.DiscardHandler), now: clock}
}

func builtIn(t testing.TB) *words {
	t.Helper()
	w, err := newWords(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// sound holds news to what delivery promises, whatever it was read from.
func sound(t *testing.T, news report.Update) {
	t.Helper()
	for _, r := range news.Reports {
		_, channelErr := message.ParseChannel(string(r.Channel))
		switch {
		case r.EventID == "" || r.Provider == "" || channelErr != nil || r.JobID == "" && r.MessageID == "":
			t.Errorf("a report of nothing: %+v", r)
		case r.State != report.Sent && r.State != report.Delivered && r.State != report.Read && r.State != report.Failed:
			t.Errorf("a state that is none: %+v", r)
		case (r.Err != nil) != (r.State == report.Failed):
			t.Errorf("an error and a state that do not go together: %+v", r)
		case r.Err != nil && (r.Err.Class < failure.Permanent || r.Err.Class > failure.Account || r.Err.Reason == "" || len(r.Err.Code) > 64):
			t.Errorf("an error that is none: %+v", *r.Err)
		}
		if _, err := r.At.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range news.Preferences {
		_, channelErr := message.ParseChannel(string(p.Channel))
		switch {
		case p.EventID == "" || p.Provider == "" || p.Address == "" || channelErr != nil || p.At.IsZero():
			t.Errorf("a preference of nobody: %+v", p)
		case (p.Kind != suppress.OptOut || p.Why == "") && (p.Kind != suppress.OptIn || p.Why != ""):
			t.Errorf("a kind that is none: %+v", p)
		}
		if _, err := p.At.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
}
