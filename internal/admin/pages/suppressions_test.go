package pages_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
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

func TestSuppressions(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	old := time.Now().Add(-time.Hour)
	_, err := d.Store.Suppress(t.Context(), []suppress.Entry{
		{Channel: message.SMS, Address: "+15550104242", Why: suppress.StopWord, By: "twilio", Sender: "MG77", At: old},
		{Channel: message.SMS, Address: "+15550100001", Why: suppress.HardBounce, By: "twilio", At: old.Add(time.Minute)},
	})
	d.Must(err)
	page := d.Ask(http.MethodGet, "/admin/suppressed?channel=sms", "")
	d.Want(http.StatusOK, page, "2 entries on sms", "+•••4242", "answered STOP", "MG77", "needs ADMIN_REVEAL")
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
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/suppressed", form("channel", "sms", "address", "(555) 010-4242")), "is suppressed on sms: answered STOP", "by twilio", "asked for messages again")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/suppressed", form("channel", "whatsapp", "address", "+15550104242")), "This address is not suppressed on whatsapp", ">Suppress</button>")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/suppressed", form("channel", "email", "address", "+15550104242")), "not an e-mail address")
	w := d.Ask(http.MethodPost, "/admin/suppressed/remove", form("channel", "sms", "address", "+15550104242", "why", "asked at the counter"))
	d.Want(http.StatusSeeOther, w)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), ""), "not suppressed on sms any more", "1 entry on sms")
	w = d.Ask(http.MethodPost, "/admin/suppressed/add", form("channel", "email", "address", "Jane@Example.com", "why", "by phone"))
	d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), ""), "suppressed on email from now on", "j•••@example.com", "added by an operator", "local")
	if e, err := d.Store.Suppressed(t.Context(), message.Email, "jane@example.com"); err != nil || len(e) != 1 || e[0].Why != suppress.Operator || e[0].By != "local" {
		t.Errorf("%+v, %v", e, err)
	}
	// Of several entries each is taken off by itself.
	_, err = d.Store.Suppress(t.Context(), []suppress.Entry{
		{Channel: message.SMS, Address: "+15550100003", Why: suppress.StopWord, By: "twilio", Sender: "MG77", At: old, OptedIn: old},
		{Channel: message.SMS, Address: "+15550100003", Why: suppress.StopWord, By: "twilio", At: old}})
	d.Must(err)
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/suppressed", form("channel", "sms", "address", "+15550100003")), "for the sender account MG77", "has opted in at another sender account",
		`name="sender" value="MG77"`, `name="sender" value="*"`, "Take off the list: answered STOP", ">Suppress</button>")
	w = d.Ask(http.MethodPost, "/admin/suppressed/remove", form("channel", "sms", "address", "+15550100003", "why", "asked", "reason", "stop", "sender", "*", "by", "twilio"))
	d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), ""), "The entry is not on the list of sms any more", "MG77", "2 entries on sms")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", ""), "unsuppress", "asked at the counter", "+•••4242", "by phone", "suppress")
}

func TestImportAndExport(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	upload := func(fields map[string]string, file string) string {
		t.Helper()
		body, kind := form(t, fields, file)
		w := d.Ask(http.MethodPost, "/admin/suppressed/import", body, "Content-Type", kind)
		if w.Code == http.StatusSeeOther {
			w = d.Ask(http.MethodGet, w.Header().Get("Location"), "")
		}
		d.Want(http.StatusOK, w)
		return w.Body.String()
	}
	const file = "channel,address,why\nsms,+12025550143,stop\nsms,nobody\nemail,jane@example.com\nfax,1\n"
	if page := upload(nil, file); !strings.Contains(page, "2 wrong lines: nothing was imported.") || !strings.Contains(page, "<td class=\"n\">3</td>") || !strings.Contains(page, "<td class=\"n\">5</td>") {
		t.Errorf("a file with wrong lines: %s", page)
	}
	if n, err := d.Store.CountSuppressed(t.Context(), message.SMS); n != 0 || err != nil {
		t.Errorf("%d were imported, %v", n, err)
	}
	if page := upload(map[string]string{"partial": "true", "why": "from the old system"}, file); !strings.Contains(page, "2 addresses added; 2 wrong lines left out.") {
		t.Errorf("in part: %s", page)
	}
	if page := upload(map[string]string{"channel": "whatsapp", "text": "+12025550143\n+12025550143"}, ""); !strings.Contains(page, "1 address added; on the list already: 1.") {
		t.Errorf("typed: %s", page)
	}
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/suppressed/import", "text=x"), "the form is invalid")
	w := d.Ask(http.MethodPost, "/admin/suppressed/export", "channel=sms")
	d.Want(http.StatusOK, w)
	exported := w.Body.String()
	if !strings.HasPrefix(exported, "channel,address,key,why,sender,by,since,opted_in\nsms,'+•••0143,") || !strings.Contains(exported, ",stop,,,") || strings.Count(exported, "\n") != 2 {
		t.Errorf("exported %s", exported)
	}
	// What was exported is taken again, for whoever has the address.
	if removed, err := d.Store.Unsuppress(t.Context(), message.SMS, "+12025550143", suppress.Selection{}); removed != 1 || err != nil {
		t.Errorf("%d, %v", removed, err)
	}
	if page := upload(nil, exported); !strings.Contains(page, "1 address added") {
		t.Errorf("the export: %s", page)
	}
	if e, err := d.Store.Suppressed(t.Context(), message.SMS, "+12025550143"); err != nil || len(e) != 1 || e[0].Why != suppress.StopWord {
		t.Errorf("%+v, %v", e, err)
	}
	body, kind := form(t, nil, "channel,address,key\nsms,+•••0143,AAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/suppressed/import", body, "Content-Type", kind), "another PRIVACY_KEY")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", ""), "import-suppressed", "from the old system", "1 of 1 addresses were new", "export-suppressed")
	if log := d.Log.String(); strings.Contains(log, "2025550143") || strings.Contains(log, "jane") {
		t.Errorf("an address is in the log: %s", log)
	}
}

// TestImportNeedsNoDisk: the pods' file systems are read-only, so a file of any size that is allowed is imported without one.
func TestImportNeedsNoDisk(t *testing.T) {
	d := admintest.Open(t, admin.Config{})
	t.Setenv("TMPDIR", "/nowhere/to/write")
	line := "+1 (555) 010-4242" + strings.Repeat(" ", 40) + "\n"
	for _, lines := range []int{1, 20_000, 100_000} { // 1 to 6 MB
		body, kind := form(t, map[string]string{"channel": "sms"}, strings.Repeat(line, lines))
		d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/suppressed/import", body, "Content-Type", kind))
	}
	body, kind := form(t, nil, strings.Repeat(" ", admin.MaxImportBytes+128<<10))
	d.Want(http.StatusRequestEntityTooLarge, d.Ask(http.MethodPost, "/admin/suppressed/import", body, "Content-Type", kind), "8 MiB")
}
