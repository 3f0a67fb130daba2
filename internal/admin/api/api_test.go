package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

func TestAPI(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	for i := range 7 {
		d.Failed(fmt.Sprint("w", i), fmt.Sprint("TXN_", i), map[bool]string{true: "transient: outage", false: "permanent: invalid_recipient"}[i < 4])
	}
	act := func(status int, body string) (jobs float64) {
		t.Helper()
		w := d.Ask(http.MethodPost, "/admin/api/actions", body, admintest.Bearer...)
		d.Want(status, w)
		var answer map[string]any
		d.Must(json.Unmarshal(w.Body.Bytes(), &answer))
		jobs, _ = answer["jobs"].(float64)
		return jobs
	}
	for _, tt := range []struct {
		body string
		want float64
	}{
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient","dry_run":true}`, 4},
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient"}`, 4},
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient"}`, 0},
		{`{"action":"delete","channel":"sms","ids":["w4:sms:1"],"why":"a test"}`, 1},
		{`{"action":"purge","channel":"sms","priority":2}`, 0}, {`{"action":"purge","channel":"sms","dry_run":true}`, 4}, {`{"action":"purge","channel":"sms"}`, 4},
	} {
		if got := act(http.StatusOK, tt.body); got != tt.want {
			t.Errorf("%s: %v jobs, want %v", tt.body, got, tt.want)
		}
	}
	for body, status := range map[string]int{
		`{"action":"fly","channel":"sms"}`: 422, `{"action":"pause","channel":"fax"}`: 422, `{"action":"retry","channel":"sms"}`: 422,
		`{"action":"retry","channel":"email","ids":["w5:sms:1"]}`: 422, `{"action":"retry","channel":"sms","ids":["nobody:sms:1"]}`: 422,
		`{"action":"retry","channel":"sms","place":"sending"}`: 422, `{"action":"open-breaker","channel":"sms","provider":"nobody"}`: 422, `{"what":1}`: 400, `{`: 400,
	} {
		act(status, body)
	}
	d.Heartbeat("pod-1/7")
	act(http.StatusOK, `{"action":"pause","channel":"sms","why":"wrong text"}`)
	act(http.StatusOK, `{"action":"open-breaker","channel":"sms","provider":"aws"}`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/queues", "", admintest.Bearer...), `"halted":"paused by ann`, "wrong text", `"aws":{"state":"open"`, `"sent":0`, "pod-1/7")
	act(http.StatusOK, `{"action":"resume","channel":"sms"}`)
	act(http.StatusOK, `{"action":"close-breaker","channel":"sms","provider":"aws"}`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/queues/sms/failed", "", admintest.Bearer...), `"total":2`, `"id":"w6:sms:1"`, `"recipient":"+•••4242"`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/job?id=w6:sms:1", "", admintest.Bearer...), `"place":"failed"`, `"text":"`)
	d.Want(http.StatusNotFound, d.Ask(http.MethodGet, "/admin/api/job?id=w9:sms:1", "", admintest.Bearer...))
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/search", `{"text":"TXN_6"}`, admintest.Bearer...), `"id":"w6:sms:1"`)
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/api/search", `{"text":"T"}`, admintest.Bearer...), "at least 3")
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, "/admin/api/queues/sms/limbo", "", admintest.Bearer...), "there is no place")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/audit", "", admintest.Bearer...), `"by":"ann"`, `"why":"a test"`, `"action":"close-breaker"`)
	d.Redis.Kill()
	d.Want(http.StatusServiceUnavailable, d.Ask(http.MethodGet, "/admin/api/queues", "", admintest.Bearer...), "Redis does not answer")
	d.Want(http.StatusServiceUnavailable, d.Ask(http.MethodPost, "/admin/api/actions", `{"action":"pause","channel":"sms"}`, admintest.Bearer...))
}

func TestSuppressedAPI(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	ask := func(status int, method, path, body string, texts ...string) map[string]any {
		t.Helper()
		w := d.Ask(method, "/admin/api/suppressed/"+path, body, admintest.Bearer...)
		d.Want(status, w, texts...)
		var answer map[string]any
		d.Must(json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	for i := range 250 {
		_, err := d.Store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: message.Address(fmt.Sprintf("+1202555%04d", i)), Why: suppress.StopWord, At: time.Unix(int64(i), 0)}})
		d.Must(err)
	}
	first := ask(200, http.MethodGet, "sms", "", `"total":250`, `"complete":true`)
	if n := len(first["entries"].([]any)); n != 100 {
		t.Errorf("a page of %d", n)
	}
	last := ask(200, http.MethodGet, "sms?offset=200", "", `"address":"+•••0049"`, `"address":"+•••0000"`)
	if n := len(last["entries"].([]any)); n != 50 {
		t.Errorf("the last page of %d", n)
	}
	if a := ask(200, http.MethodPost, "check", `{"channel":"sms","address":"+12025550007"}`, `"why":"stop"`, "+•••0007"); a["suppressed"] != true {
		t.Errorf("%v", a)
	}
	if a := ask(200, http.MethodPost, "remove", `{"channel":"sms","address":"+12025550007","only":{"why":"complaint"}}`); a["changed"] != false {
		t.Errorf("%v", a)
	}
	for _, want := range []bool{true, false} {
		if a := ask(200, http.MethodPost, "remove", `{"channel":"sms","address":"+12025550007","why":"asked"}`); a["changed"] != want {
			t.Errorf("%v", a)
		}
	}
	for _, want := range []bool{true, false} {
		if a := ask(200, http.MethodPost, "add", `{"channel":"sms","address":"+12025550007"}`); a["changed"] != want {
			t.Errorf("%v", a)
		}
	}
	ask(200, http.MethodPost, "import?channel=sms", "+12025559999\n", `"added":1`, `"wrong":[]`, `"imported":true`)
	a := ask(422, http.MethodPost, "import", "sms,+12025559998\nsms,x\n", "1 wrong line: nothing was imported")
	if wrong := a["wrong"].([]any); len(wrong) != 1 || wrong[0].(map[string]any)["line"] != 2.0 {
		t.Errorf("%v", a)
	}
	ask(413, http.MethodPost, "import?channel=sms", strings.Repeat(" ", 9<<20), "8 MiB")
	ask(422, http.MethodPost, "import?channel=fax", "1", "of sms, email, whatsapp")
	ask(422, http.MethodPost, "import?channel=sms", "", "no address")
	ask(422, http.MethodPost, "export", `{}`, "ADMIN_REVEAL")
	ask(422, http.MethodPost, "add", `{"channel":"fax","address":"1"}`)
	ask(422, http.MethodGet, "sms?offset=20000", "", "an export has all")
	ask(422, http.MethodGet, "sms?offset=x", "")
	if a := ask(400, http.MethodPost, "add", `{"channel":"sms","who":"+12025550007"}`); strings.Contains(fmt.Sprint(a), "2025550007") {
		t.Errorf("the body is quoted: %v", a)
	}
	only := admintest.Open(t, admin.Config{ReadOnly: true})
	for _, path := range []string{"add", "remove"} {
		only.Want(http.StatusUnprocessableEntity, only.Ask(http.MethodPost, "/admin/api/suppressed/"+path, `{"channel":"sms","address":"+12025550007"}`, "Accept", "application/json"), "ADMIN_READ_ONLY")
	}
	only.Want(http.StatusUnprocessableEntity, only.Ask(http.MethodPost, "/admin/api/suppressed/import?channel=sms", "+12025550007", "Accept", "application/json"), "ADMIN_READ_ONLY")
	if w := only.Ask(http.MethodGet, "/admin/suppressed", ""); strings.Contains(w.Body.String(), "<h2>Import</h2>") {
		t.Error("an import is offered")
	}
	d.Redis.Kill()
	ask(503, http.MethodGet, "sms", "", "Redis does not answer")
	ask(503, http.MethodPost, "import?channel=sms", "+12025559997")
}
