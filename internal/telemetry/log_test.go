package telemetry_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/telemetry"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	err := (&telemetry.LogConfig{Level: "loud", Format: "xml"}).Validate()
	for _, want := range []string{"LOG_LEVEL", "LOG_FORMAT"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
	var out strings.Builder
	log := telemetry.NewLogger(telemetry.LogConfig{Level: "warn", Format: "json"}, &out)
	log.Info("quiet")
	log.Warn("heard")
	if strings.Contains(out.String(), "quiet") || !strings.Contains(out.String(), `"msg":"heard"`) {
		t.Error(out.String())
	}
	out.Reset()
	telemetry.NewLogger(telemetry.LogConfig{Level: "debug", Format: "text"}, &out).Debug("heard")
	if !strings.Contains(out.String(), "level=DEBUG msg=heard") {
		t.Error(out.String())
	}
}

// named is a type with a String method.
type named string

func (n named) String() string { return string(n) }

// TestTextFromOutside: whatever a text has, and however it gets into a record, the line is short, valid, and has nothing that a terminal acts upon.
func TestTextFromOutside(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringOfN(rapid.RuneFrom(nil, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Latin), 0, 100, -1),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.IntRange(0, 1<<20), func(n int) string { return strings.Repeat("ä", n) }),
		).Draw(t, "text")
		for _, format := range []string{"json", "text"} {
			var out strings.Builder
			telemetry.NewLogger(telemetry.LogConfig{Level: "info", Format: format}, &out).With("with", text).Info(text, "text", text, "error", errors.New(text),
				"named", named(text), "list", []string{text}, slog.Group("group", "inner", text))
			line := strings.TrimSuffix(out.String(), "\n")
			if len(line) > 60_000 || !utf8.ValidString(line) {
				t.Fatalf("%d bytes", len(line))
			}
			for _, r := range line {
				if !unicode.IsPrint(r) {
					t.Fatalf("%q is in %q", r, line)
				}
			}
			if format == "json" && !json.Valid([]byte(line)) {
				t.Fatalf("not JSON: %s", line)
			}
		}
	})
}
