package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// form is the import's, with a file.
func form(t *testing.T, fields map[string]string, file string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "list.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write([]byte(file))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestWhoGetsNothing(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	old := time.Now().Add(-time.Hour)
	_, err := d.store.Suppress(t.Context(), []suppress.Entry{
		{Channel: message.SMS, Address: "+15550104242", Why: suppress.StopWord, By: "twilio", Sender: "MG77", At: old},
		{Channel: message.SMS, Address: "+15550100001", Why: suppress.HardBounce, By: "twilio", At: old.Add(time.Minute)},
	})
	d.must(err)
	page := d.ask(http.MethodGet, "/admin/suppressed?channel=sms", "")
	d.want(http.StatusOK, page, "2 addresses get nothing on sms", "+•••4242", "answered STOP", "MG77", "need ADMIN_REVEAL")
	if body := page.Body.String(); strings.Contains(body, "5550104242") || strings.Index(body, "+•••0001") > strings.Index(body, "+•••4242") {
		t.Error("an address is shown, or the newest is not first")
	}
	form := func(values ...string) string {
		q := url.Values{}
		for i := 0; i < len(values); i += 2 {
			q.Set(values[i], values[i+1])
		}
		return q.Encode()
	}
	// As typed: in any form of the same number.
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/suppressed", form("channel", "sms", "address", "(555) 010-4242")), "gets nothing on sms: answered STOP", "by twilio", "asked for messages again")
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/suppressed", form("channel", "whatsapp", "address", "+15550104242")), "Nothing on the list stands in the way", "Send them nothing more")
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/suppressed", form("channel", "email", "address", "+15550104242")), "not an e-mail address")
	w := d.ask(http.MethodPost, "/admin/suppressed/remove", form("channel", "sms", "address", "+15550104242", "why", "asked at the counter"))
	d.want(http.StatusSeeOther, w)
	d.want(http.StatusOK, d.ask(http.MethodGet, w.Header().Get("Location"), ""), "gets messages on sms again", "1 address gets nothing on sms")
	w = d.ask(http.MethodPost, "/admin/suppressed/add", form("channel", "email", "address", "Jane@Example.com", "why", "by phone"))
	d.want(http.StatusOK, d.ask(http.MethodGet, w.Header().Get("Location"), ""), "gets nothing on email any more", "j•••@example.com", "put here by hand", "local")
	if e, err := d.store.Suppressed(t.Context(), message.Email, "jane@example.com"); err != nil || e == nil || e.Why != suppress.Operator || e.By != "local" {
		t.Errorf("%+v, %v", e, err)
	}
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/audit", ""), "unsuppress", "asked at the counter", "+•••4242", "by phone", "suppress")
	d.want(http.StatusForbidden, d.ask(http.MethodPost, "/admin/suppressed/reveal", form("channel", "sms")), "ADMIN_REVEAL is not set")
}

func TestImportAndExport(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Reveal: true})
	upload := func(fields map[string]string, file string) string {
		t.Helper()
		body, kind := form(t, fields, file)
		w := d.ask(http.MethodPost, "/admin/suppressed/import", body, "Content-Type", kind)
		if w.Code == http.StatusSeeOther {
			w = d.ask(http.MethodGet, w.Header().Get("Location"), "")
		}
		d.want(http.StatusOK, w)
		return w.Body.String()
	}
	const file = "channel,address,why\nsms,+12025550143,stop\nsms,nobody\nemail,jane@example.com\nfax,1\n"
	if page := upload(nil, file); !strings.Contains(page, "2 wrong lines: nothing was imported.") || !strings.Contains(page, "<td class=\"n\">3</td>") || !strings.Contains(page, "<td class=\"n\">5</td>") {
		t.Errorf("a file with wrong lines: %s", page)
	}
	if n, err := d.store.CountSuppressed(t.Context(), message.SMS); n != 0 || err != nil {
		t.Errorf("%d were imported, %v", n, err)
	}
	if page := upload(map[string]string{"partial": "true", "why": "from the old system"}, file); !strings.Contains(page, "2 addresses added; 2 wrong lines left out.") {
		t.Errorf("in part: %s", page)
	}
	if page := upload(map[string]string{"channel": "whatsapp", "text": "+12025550143\n+12025550143"}, ""); !strings.Contains(page, "1 address added; on the list already: 1.") {
		t.Errorf("typed: %s", page)
	}
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodPost, "/admin/suppressed/import", "text=x"), "this is no form")
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/suppressed/reveal", "channel=sms"), "+12025550143")
	w := d.ask(http.MethodPost, "/admin/suppressed/export", "channel=sms")
	d.want(http.StatusOK, w)
	if got := w.Body.String(); !strings.HasPrefix(got, "channel,address,why,sender,by,since\nsms,'+12025550143,stop,,local,") || strings.Count(got, "\n") != 2 {
		t.Errorf("exported %s", got)
	}
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/audit", ""), "import-suppressed", "from the old system", "1 of 1 addresses were new", "export-suppressed", "reveal-suppressed")
	if log := d.log.String(); strings.Contains(log, "2025550143") || strings.Contains(log, "jane") {
		t.Errorf("an address is in the log: %s", log)
	}
}

func TestSuppressedAPI(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Token: "right"})
	ask := func(status int, method, path, body string, texts ...string) map[string]any {
		t.Helper()
		w := d.ask(method, "/admin/api/suppressed/"+path, body, bearer...)
		d.want(status, w, texts...)
		var answer map[string]any
		d.must(json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	for i := range 250 {
		_, err := d.store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: message.Address(fmt.Sprintf("+1202555%04d", i)), Why: suppress.StopWord, At: time.Unix(int64(i), 0)}})
		d.must(err)
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
	ask(422, http.MethodPost, "import?channel=fax", "1", "none of sms")
	ask(422, http.MethodPost, "import?channel=sms", "", "no address")
	ask(422, http.MethodPost, "export", `{}`, "ADMIN_REVEAL")
	ask(422, http.MethodPost, "add", `{"channel":"fax","address":"1"}`)
	ask(422, http.MethodGet, "sms?offset=20000", "", "an export has all")
	ask(422, http.MethodGet, "sms?offset=x", "")
	if a := ask(400, http.MethodPost, "add", `{"channel":"sms","who":"+12025550007"}`); strings.Contains(fmt.Sprint(a), "2025550007") {
		t.Errorf("the body is quoted: %v", a)
	}
	only := open(t, admin.Config{ReadOnly: true})
	for _, path := range []string{"add", "remove"} {
		only.want(http.StatusUnprocessableEntity, only.ask(http.MethodPost, "/admin/api/suppressed/"+path, `{"channel":"sms","address":"+12025550007"}`, "Accept", "application/json"), "ADMIN_READ_ONLY")
	}
	only.want(http.StatusUnprocessableEntity, only.ask(http.MethodPost, "/admin/api/suppressed/import?channel=sms", "+12025550007", "Accept", "application/json"), "ADMIN_READ_ONLY")
	if w := only.ask(http.MethodGet, "/admin/suppressed", ""); strings.Contains(w.Body.String(), "<h2>Import</h2>") {
		t.Error("offers what it does not do")
	}
	d.redis.Kill()
	ask(503, http.MethodGet, "sms", "", "Redis does not answer")
	ask(503, http.MethodPost, "import?channel=sms", "+12025559997")
}
