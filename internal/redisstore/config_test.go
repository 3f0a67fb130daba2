package redisstore

import (
	"fmt"
	"strings"
	"testing"
)

func TestConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	c := Config{URL: "redis://:hunter2@host:port", KeepCompleted: -1, OnUncertain: "maybe"}
	text := fmt.Sprint(c.Validate())
	for _, want := range []string{"REDIS_URL", "RINGUP_PREFIX", "DEDUPE_TTL", "STATUS_TTL", "KEEP_COMPLETED", "KEEP_FAILED", "MAX_CRASHES", "ON_UNCERTAIN"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not named in: %s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the password is in: %s", text)
	}
}
