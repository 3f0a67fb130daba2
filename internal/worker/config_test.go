package worker_test

import (
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/worker"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	read := func(env map[string]string) error {
		var c worker.Config
		if err := config.Read(t.Context(), envconfig.MapLookuper(env), &c); err != nil {
			t.Fatal(err)
		}
		return c.Validate()
	}
	if err := read(nil); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if err := read(map[string]string{"SLOW_SEND": "5s", "OUTAGE_PATIENCE": "0s", "RETRY_UNDELIVERED": "30m", "OPT_OUT_SYNC": "0s"}); err != nil {
		t.Error(err)
	}
	err := read(map[string]string{"CONCURRENCY": "0", "SEND_TIMEOUT": "0s", "RETRY_BACKOFF": "2s,0s", "SLOW_SEND": "-1s", "OUTAGE_PATIENCE": "-1h", "RETRY_UNDELIVERED": "-1m", "OPT_OUT_SYNC": "1s"})
	for _, want := range []string{
		"CONCURRENCY is 0: set 1 to 1000", "SEND_TIMEOUT is 0s: set a time above 0", "RETRY_BACKOFF has 0s: set times above 0",
		"OUTAGE_PATIENCE is -1h0m0s: set a time above 0", "SLOW_SEND is -1s: set a time above 0", "RETRY_UNDELIVERED is -1m0s: set a time above 0", "OPT_OUT_SYNC is 1s: set at least 1m",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}
