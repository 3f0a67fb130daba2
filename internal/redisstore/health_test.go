package redisstore

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/redistest"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	warnings, err := open(t, url(server.Addr()), nil).warnings(t.Context())
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], "noeviction") || !strings.Contains(warnings[1], "appendonly") {
		t.Errorf("warnings: %q, %v", warnings, err)
	}
}
