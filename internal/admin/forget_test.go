package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
)

// TestForget has a person's data deleted, on record without their address.
func TestForget(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	for i := range 3 {
		d.Failed(fmt.Sprint("w", i), "TXN_1", "permanent: invalid_recipient")
	}
	ask := func(status int, body string, texts ...string) map[string]any {
		t.Helper()
		w := d.Ask(http.MethodPost, "/admin/api/forget", body, admintest.Bearer...)
		d.Want(status, w, texts...)
		var answer map[string]any
		d.Must(json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	if a := ask(200, `{"who":"(555) 010-4242","dry_run":true}`); a["failed"] != 3.0 || a["next"] != "" || a["dry_run"] != true {
		t.Errorf("%v", a)
	}
	ask(400, `{"what":"+15550104242"}`)
	ask(422, `{"who":"John"}`, "not a phone number")
	ask(422, `{"who":"+15550104242","next":"e30.forged"}`, "not what the answer before said")
	// In parts: what one answers is good for the same request alone.
	d.Admin.LookAt(1)
	next := ""
	for parts := 1; ; parts++ {
		a := ask(200, fmt.Sprintf(`{"who":"+15550104242","why":"asked","next":%q}`, next))
		if next, _ = a["next"].(string); next == "" {
			if a["failed"] != 3.0 || parts < 2 {
				t.Errorf("in %d parts: %v", parts, a)
			}
			break
		}
		ask(422, fmt.Sprintf(`{"who":"+15550109999","next":%q}`, next))
		ask(422, fmt.Sprintf(`{"who":"+15550104242","dry_run":true,"next":%q}`, next))
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/audit", "", admintest.Bearer...), `"action":"forget"`, `"target":"+•••4242"`, `"count":3`, `"by":"ann"`, `"why":"asked"`)
	if log := d.Log.String(); !strings.Contains(log, "action=forget") || strings.Contains(log, "0104242") {
		t.Errorf("the log: %s", log)
	}
	only := admintest.Open(t, admin.Config{ReadOnly: true})
	only.Failed("a", "TXN_1", "x")
	only.Want(http.StatusOK, only.Ask(http.MethodPost, "/admin/api/forget", `{"who":"+15550104242","dry_run":true}`), `"failed":1`)
	only.Want(http.StatusUnprocessableEntity, only.Ask(http.MethodPost, "/admin/api/forget", `{"who":"+15550104242"}`), "ADMIN_READ_ONLY")
}
