package system

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/redistest"
)

// TestKeysInFiles: ingest and admin take their keys from files, and follow when the files change.
func TestKeysInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, key string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil { // as Kubernetes does: at once
			t.Fatal(err)
		}
		return path
	}
	const old, anew = "the-old-key-of-the-tests", "the-new-key-of-the-tests"
	server := redistest.Start(t)
	s := &system{T: t, redis: server, payload: everyChannel, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.serve("WEBHOOK_AUTH_TOKEN=", "WEBHOOK_AUTH_TOKEN_FILE="+put("token", old))
	operators, admin := s.admin("ADMIN_TOKEN=", "ADMIN_TOKEN_FILE="+put("admin", old))
	status := func(key string) (webhooks, pages int) {
		webhooks, _ = s.call(http.MethodGet, s.url+"/v1/notifications/none", key, "")
		pages, _ = s.call(http.MethodGet, admin+"/admin/api/queues", key, "")
		return webhooks, pages
	}
	if webhooks, pages := status(old); webhooks != http.StatusNotFound || pages != http.StatusOK {
		t.Errorf("with the key: HTTP %d, %d", webhooks, pages)
	}
	if webhooks, pages := status(anew); webhooks != http.StatusUnauthorized || pages != http.StatusUnauthorized {
		t.Errorf("with another key: HTTP %d, %d", webhooks, pages)
	}
	put("token", anew)
	put("admin", anew)
	for _, p := range []*process{s.ingest, operators} {
		redistest.Eventually(t, "the new key is in use", func() bool { return strings.Contains(p.text(), "secrets replaced") })
	}
	if webhooks, pages := status(anew); webhooks != http.StatusNotFound || pages != http.StatusOK {
		t.Errorf("with the new key: HTTP %d, %d", webhooks, pages)
	}
	if webhooks, pages := status(old); webhooks != http.StatusUnauthorized || pages != http.StatusUnauthorized {
		t.Errorf("with the old key: HTTP %d, %d", webhooks, pages)
	}
}
