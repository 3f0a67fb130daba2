package render

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// Live renders by the files of TEMPLATES_DIR as they are now, for people who write them: Run reads them again. It is safe for concurrent use.
type Live struct {
	config  Config
	log     *slog.Logger
	current atomic.Pointer[Renderer]
	seen    string // the files that were read last
}

// NewLive returns a renderer that is first at the start, and was made by the same configuration. The log gets what is wrong with files later.
func NewLive(config Config, first *Renderer, log *slog.Logger) *Live {
	l := &Live{config: config, log: log, seen: fingerprint(config.TemplatesDir)}
	l.current.Store(first)
	return l
}

// Render makes the message of a job, as Renderer.Render does.
func (l *Live) Render(j *job.Job) (message.Message, error) { return l.current.Load().Render(j) }

// Locales lists the locales that there are texts in, sorted.
func (l *Live) Locales() []string { return l.current.Load().Locales() }

// livePeriod is how often the files are looked at: people wait for what they saved.
const livePeriod = time.Second

// Run reads the files again when one is saved, added or deleted, until ctx ends. Files that are wrong are logged, and the texts stay as they were.
func (l *Live) Run(ctx context.Context) {
	if l.config.TemplatesDir == "" {
		return
	}
	ticker := time.NewTicker(livePeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.refresh()
		}
	}
}

func (l *Live) refresh() {
	now := fingerprint(l.config.TemplatesDir)
	if now == l.seen {
		return
	}
	l.seen = now
	before := l.current.Load()
	r, err := New(l.config, before.stores, before.channels...)
	if err != nil {
		l.log.Warn("templates not read, the former stay", "error", err)
		return
	}
	for _, err := range r.Skipped() {
		l.log.Warn("template skipped", "error", err)
	}
	r.Unsubscribe, r.MaxText, r.Log = before.Unsubscribe, before.MaxText, before.Log
	l.current.Store(r)
}

// fingerprint changes with the files of a folder: with their names, sizes and times.
func fingerprint(dir string) string {
	if dir == "" {
		return ""
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, entry := range entries {
		if info, err := os.Stat(dir + "/" + entry.Name()); err == nil { // of what a link leads to
			fmt.Fprintln(&b, entry.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
