package callback

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/suppress"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := Config{
		PublicURL: "hooks.example.com", SendGridPublicKeys: []string{sendgridKey, encoded(t, &weak.PublicKey)}, WhatsAppVerifyToken: "s3cret",
		SESTopics: []string{vectorTopic, "ringup-events"}, StopWords: []string{"!?"}, StartWords: []string{"+stop"},
	}
	err = broken.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"PUBLIC_URL is not", "SENDGRID_WEBHOOK_PUBLIC_KEY: number 2 is not an ECDSA key", "WHATSAPP_VERIFY_TOKEN is set without a WHATSAPP_APP_SECRET",
		`SES_TOPIC_ARN has "ringup-events"`, `STOP_WORDS has "!?"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("gives the token away: %v", err)
	}
	for _, public := range []string{"ftp://hooks.example.com", "https://", "https://u:p@hooks.example.com", "https://hooks.example.com?a=b", "https://hooks.example.com/#a", "https://h:x"} {
		if err := (&Config{PublicURL: public}).Validate(); err == nil || !strings.Contains(err.Error(), "PUBLIC_URL") {
			t.Errorf("%s: %v", public, err)
		}
	}
	for _, key := range []string{"MFkw", "?", sendgridKey + "corrupting the public key"} {
		if err := (&Config{SendGridPublicKeys: []string{key}}).Validate(); err == nil || !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY") {
			t.Errorf("%s: %v", key, err)
		}
	}
	good := Config{
		PublicURL: "https://hooks.example.com/ringup/", TwilioAuthToken: "a, b", SendGridPublicKeys: []string{sendgridKey}, WhatsAppAppSecret: "x", WhatsAppVerifyToken: "y",
		SESTopics: []string{vectorTopic, "arn:aws-cn:sns:cn-north-1:123456789012:events", ""}, StopWords: []string{"+schluss", "fini"}, StartWords: []string{"ja"},
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (&Config{}).Validate(); err != nil {
		t.Errorf("nothing is set: %v", err)
	}
}

func TestPublicURLs(t *testing.T) {
	t.Parallel()
	for public, want := range map[string][]string{
		"":                                nil,
		"https://hooks.example.com":       {"https://hooks.example.com", "https://hooks.example.com:443"},
		"https://hooks.example.com/":      {"https://hooks.example.com", "https://hooks.example.com:443"},
		"https://hooks.example.com:443":   {"https://hooks.example.com:443", "https://hooks.example.com"},
		"https://hooks.example.com:8443":  {"https://hooks.example.com:8443", "https://hooks.example.com", "https://hooks.example.com:443"},
		"http://10.0.0.7:3000/a%20b//c/":  {"http://10.0.0.7:3000/a%20b/c", "http://10.0.0.7/a%20b/c", "http://10.0.0.7:80/a%20b/c"},
		"http://[2001:db8::1]:3000/hooks": {"http://[2001:db8::1]:3000/hooks", "http://[2001:db8::1]/hooks", "http://[2001:db8::1]:80/hooks"},
	} {
		if got, err := publicURLs(public); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", public, got, err, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	const neither = suppress.Kind("")
	for text, want := range map[string]suppress.Kind{
		"STOP": suppress.OptOut, "stop": suppress.OptOut, " Stop.\n": suppress.OptOut, "«STOP!»": suppress.OptOut, "STOP 🛑": suppress.OptOut, "Stop  all": suppress.OptOut,
		"ＳＴＯＰ": suppress.OptOut, "st\u200bop": suppress.OptOut, "UNSUBSCRIBE": suppress.OptOut, "Opt-Out": suppress.OptOut,
		"Arrêt": suppress.OptOut, "ARRET": suppress.OptOut, "arre\u0302t": suppress.OptOut, "Désinscription": suppress.OptOut, "baja": suppress.OptOut,
		"Abmelden!": suppress.OptOut, "STOPP": suppress.OptOut, "annulla": suppress.OptOut, "Sair": suppress.OptOut, "Uitschrijven": suppress.OptOut,
		"wypisz": suppress.OptOut, "Rezygnuje": suppress.OptOut, "СТОП": suppress.OptOut, "إيقاف": suppress.OptOut, "停止": suppress.OptOut, "수신거부": suppress.OptOut,
		"START": suppress.OptIn, "unstop": suppress.OptIn, "Alta": suppress.OptIn, "wznow": suppress.OptIn, "S’abonner": neither, "s'abonner": suppress.OptIn,
		"": neither, "?": neither, "please stop": neither, "Stop sending me the wrong receipt": neither, "bus stop": neither, "stopped": neither, "yes": neither,
		"HELP": neither, strings.Repeat("stop ", 30): neither, "\xff\xfe": neither,
	} {
		if got, _ := builtIn(t).meaning(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestBuiltInWords: each says one thing, and is found as it is written.
func TestBuiltInWords(t *testing.T) {
	t.Parallel()
	w := builtIn(t)
	for kind, list := range map[suppress.Kind][]string{suppress.OptOut: stopWords, suppress.OptIn: startWords} {
		for _, word := range list {
			if got, _ := w.meaning(strings.ToUpper(word)); got != kind {
				t.Errorf("%q: %q, want %q", word, got, kind)
			}
		}
	}
}

func TestOwnWords(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stop, start []string
		want        map[string]suppress.Kind
		err         string
	}{
		"beside the built-in": {[]string{"+Schluß jetzt", "fini"}, nil,
			map[string]suppress.Kind{"schluss jetzt": suppress.OptOut, "Fini": suppress.OptOut, "stop": suppress.OptOut, "start": suppress.OptIn}, ""},
		"in their place": {[]string{"fini", "ende"}, []string{"los"},
			map[string]suppress.Kind{"fini": suppress.OptOut, "ende": suppress.OptOut, "stop": "", "los": suppress.OptIn, "start": ""}, ""},
		"one of the other list":       {[]string{"start"}, nil, nil, `"start"`},
		"the same in both":            {[]string{"+ja"}, []string{"+Já!"}, nil, `"+Já!"`},
		"longer than a word can be":   {[]string{strings.Repeat("x", maxWord+1)}, nil, nil, "STOP_WORDS"},
		"nothing that can be typed":   {nil, []string{"👍"}, nil, "START_WORDS"},
		"a plus and nothing after it": {[]string{"+"}, nil, nil, "STOP_WORDS"},
	} {
		w, err := newWords(tt.stop, tt.start)
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
			continue
		}
		for text, want := range tt.want {
			if got, _ := w.meaning(text); got != want {
				t.Errorf("%s: %q is %q, want %q", name, text, got, want)
			}
		}
	}
}
