package telemetry_test

import (
	"strings"
	"testing"

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
