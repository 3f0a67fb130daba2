// Package telemetry has the logger of every program, and the registry of its metrics. Below it are traces: tracing carries them through the
// queue, otlp exports them.
package telemetry

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says how much is logged, and in which form.
type LogConfig struct {
	// Level is debug, info, warn or error.
	Level string `env:"LOG_LEVEL, default=info"`
	// Format is json or text.
	Format string `env:"LOG_FORMAT, default=json"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *LogConfig) Validate() error {
	var errs []error
	var level slog.Level
	if level.UnmarshalText([]byte(c.Level)) != nil {
		errs = append(errs, fmt.Errorf("LOG_LEVEL is %q: set debug, info, warn or error", c.Level))
	}
	if c.Format != "json" && c.Format != "text" {
		errs = append(errs, fmt.Errorf("LOG_FORMAT is %q: set json or text", c.Format))
	}
	return errors.Join(errs...)
}

// NewLogger returns the logger that a valid configuration asks for, one line per record. With an invalid one it logs JSON from info up.
func NewLogger(c LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level // info, where the text is invalid
	_ = level.UnmarshalText([]byte(c.Level))
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: clean}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
