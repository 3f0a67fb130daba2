package render

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/store"
)

// logged collects a log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestLive: a file counts once it is saved; a wrong one is named once, and changes nothing; a deleted one is gone.
func TestLive(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{true, false} {
		dir := t.TempDir()
		config := Config{TemplatesDir: dir, TemplatesStrict: strict}
		first, err := New(config, store.Only(&store.Store{ID: event.DefaultStore, Name: "Luna", Locale: "en"}), message.SMS)
		if err != nil {
			t.Fatal(err)
		}
		first.MaxText = func(message.Channel) message.Limit { return message.Limit{Units: 40} }
		var log logged
		live := NewLive(config, first, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		body, err := job.Body(event.Sample(event.OrderCreate))
		if err != nil {
			t.Fatal(err)
		}
		says := func(what, want string) {
			t.Helper()
			redistest.Eventually(t, what, func() bool {
				m, err := live.Render(&job.Job{WebhookID: "w", Channel: message.SMS, Index: 1, Audience: message.Customer, Type: event.OrderCreate, Store: event.DefaultStore, Body: body})
				return err == nil && strings.Contains(m.Text, want)
			})
		}
		save := func(name, text string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		const name = "order_create.sms.customer.en.txt"
		says("built in", "Luna: Hi John Doe, we have your order")
		save(name, "Thanks, {{.CustomerName}}: a text that is longer than forty characters")
		says("saved", "Thanks, John Doe: a text that is long...")
		save(name, "Thanks, {{.Nothing}}")
		redistest.Eventually(t, "the log says what is wrong", func() bool { return strings.Contains(log.String(), "Nothing") })
		if !strings.Contains(log.String(), name) {
			t.Errorf("strict (%t): the log does not name the file: %s", strict, log.String())
		}
		if strict {
			says("wrong", "Thanks, John Doe: a text")
		} else {
			says("wrong", "Luna: Hi John Doe, we have your order") // as without TEMPLATES_STRICT at a start
		}
		save("words.en.txt", `{{define "greeting"}}Dear {{.CustomerName}}, {{end}}`)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		says("other words", "Luna: Dear John Doe, we have your ord...")
		if live.Locales()[0] != "ar" {
			t.Errorf("%q", live.Locales())
		}
		cancel()
		<-ended
	}
}
