package whatsapp

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/report/reporttest"
	"ringup.dev/ringup/internal/suppress"
)

// received is when the callbacks of these tests come in; happened is the time that Meta's statuses have.
var (
	received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	happened = time.Date(2024, 11, 15, 21, 22, 1, 0, time.UTC) // 1731705721
)

func words(t testing.TB) *suppress.Words {
	t.Helper()
	w, err := suppress.NewWords(suppress.WordsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestSignatures: Meta publishes no example with its secret. The header is the one that GitHub uses too, whose documentation has one
// (docs.github.com, "Validating webhook deliveries"), and the algorithm's own are in RFC 4231, section 4.3.
func TestSignatures(t *testing.T) {
	t.Parallel()
	const (
		github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
		rfc    = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	)
	for name, tt := range map[string]struct {
		secrets         secret.Keys
		signature, body string
		want            int
	}{
		"GitHub's example":         {secret.Keys{"It's a Secret to Everybody"}, github, "Hello, World!", 0},
		"the RFC's second":         {secret.Keys{"Jefe"}, rfc, "what do ya want for nothing?", 0},
		"the second secret":        {secret.Keys{"another", "Jefe"}, rfc, "what do ya want for nothing?", 0},
		"in capitals":              {secret.Keys{"Jefe"}, "sha256=" + strings.ToUpper(rfc[len("sha256="):]), "what do ya want for nothing?", 0},
		"another secret":           {secret.Keys{"jefe"}, rfc, "what do ya want for nothing?", 403},
		"another body":             {secret.Keys{"Jefe"}, rfc, "what do ya want for nothing!", 403},
		"escaped otherwise":        {secret.Keys{"It's a Secret to Everybody"}, github, `Hello, \u0057orld!`, 403},
		"without its name":         {secret.Keys{"Jefe"}, rfc[len("sha256="):], "what do ya want for nothing?", 403},
		"of the old algorithm":     {secret.Keys{"Jefe"}, "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "what do ya want for nothing?", 403},
		"half a signature":         {secret.Keys{"Jefe"}, rfc[:39], "what do ya want for nothing?", 403},
		"not hexadecimal":          {secret.Keys{"Jefe"}, rfc[:len(rfc)-1] + "g", "what do ya want for nothing?", 403},
		"no signature":             {secret.Keys{"Jefe"}, "", "what do ya want for nothing?", 403},
		"an empty body, unsigned":  {secret.Keys{"Jefe"}, "sha256=", "", 403},
		"a prefix that is not one": {secret.Keys{"Jefe"}, "sha256" + rfc[len("sha256="):], "what do ya want for nothing?", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := &callback{secrets: tt.secrets}
			if err := verifier.verify(http.Header{"X-Hub-Signature-256": {tt.signature}}, []byte(tt.body)); reporttest.Answered(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

// TestConfiguration: the error does not give the token away.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	err := (&CallbackConfig{VerifyToken: "s3cret"}).Validate()
	if err == nil || !strings.Contains(err.Error(), "WHATSAPP_VERIFY_TOKEN is set without a WHATSAPP_APP_SECRET") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	for _, c := range []CallbackConfig{{}, {AppSecret: secret.Keys{"x"}}, {AppSecret: secret.Keys{"x"}, VerifyToken: "y"}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The webhooks are after developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples.
func TestParse(t *testing.T) {
	t.Parallel()
	change := func(field, value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":` +
			`{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},` + value + `},"field":"` + field + `"}]}]}`
	}
	statusOf := func(state, more string) string {
		return change("messages", `"statuses":[{"id":"wamid.1","status":"`+state+`","timestamp":"1731705721","recipient_id":"12025550143"`+more+`}]`)
	}
	dlr := func(state report.State, why *failure.Error) report.Report {
		return report.Report{EventID: "wamid.1:" + string(state), Provider: "business", Channel: message.WhatsApp, MessageID: "wamid.1", State: state, At: happened, Err: why}
	}
	failed := func(class failure.Class, reason failure.Reason, code string) report.Update {
		return reporttest.Reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	text := func(part string) string {
		return change("messages", `"contacts":[{"profile":{"name":"Jane"},"wa_id":"12025550143"}],"messages":[{"from":"12025550143","id":"wamid.2",`+
			`"timestamp":"1731705721",`+part+`}]`)
	}
	prefer := func(id string, kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: id, Provider: "business", Channel: message.WhatsApp, Address: "+12025550143", Sender: "106540352242922", Kind: kind, Why: why, At: happened}
	}
	marketing := func(value string) string {
		return change("user_preferences", `"contacts":[{"wa_id":"12025550143"}],"user_preferences":[{"wa_id":"12025550143","detail":"User requested to `+value+
			` marketing messages","category":"marketing_messages","value":"`+value+`","timestamp":1731705721}]`)
	}
	unclear := dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable})
	late := prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord)
	late.At = received
	for name, tt := range map[string]struct {
		body string
		want report.Update
	}{
		"sent":      {statusOf("sent", `,"conversation":{"id":"c","origin":{"type":"utility"}},"pricing":{"billable":true}`), reporttest.Reports(dlr(report.Sent, nil))},
		"delivered": {statusOf("delivered", ""), reporttest.Reports(dlr(report.Delivered, nil))},
		"read":      {statusOf("read", ""), reporttest.Reports(dlr(report.Read, nil))},
		"deleted":   {statusOf("deleted", ""), report.Update{}},
		"not on WhatsApp": {statusOf("failed", `,"errors":[{"code":131026,"title":"Message undeliverable","error_data":{"details":"+12025550143"}}]`),
			failed(failure.Permanent, failure.ReasonRecipient, "131026")},
		"a code as text":     {statusOf("failed", `,"errors":[{"code":"131047"}]`), failed(failure.Permanent, failure.ReasonTemplate, "131047")},
		"a code as a float":  {statusOf("failed", `,"errors":[{"code":131047.0}]`), failed(failure.Permanent, failure.ReasonTemplate, "131047")},
		"a code of words":    {statusOf("failed", `,"errors":[{"code":"unknown"}]`), reporttest.Reports(unclear)},
		"outside the window": {statusOf("failed", `,"errors":[{"code":131047}]`), failed(failure.Permanent, failure.ReasonTemplate, "131047")},
		"Meta's own fault":   {statusOf("failed", `,"errors":[{"code":131000}]`), failed(failure.Transient, failure.ReasonOutage, "131000")},
		"the account":        {statusOf("failed", `,"errors":[{"code":131042}]`), failed(failure.Account, failure.ReasonBalance, "131042")},
		"no marketing":       {statusOf("failed", `,"errors":[{"code":131050}]`), failed(failure.Permanent, failure.ReasonOptedOut, "131050")},
		"no reason":          {statusOf("failed", ""), reporttest.Reports(unclear)},
		"no code":            {statusOf("failed", `,"errors":[{"title":"x"}]`), reporttest.Reports(unclear)},
		"one that cannot be read": {change("messages", `"statuses":[7,{"id":["x"]},{"id":"","status":"read"},{"id":"wamid.1","status":"read","timestamp":1731705721}]`),
			reporttest.Reports(dlr(report.Read, nil))},

		"STOP":                {text(`"type":"text","text":{"body":"Stop"}`), reporttest.Preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"START":               {text(`"type":"text","text":{"body":"START"}`), reporttest.Preferences(prefer("wamid.2:opt_in", suppress.OptIn, suppress.StopWord))},
		"anything else":       {text(`"type":"text","text":{"body":"Where is my order?"}`), report.Update{}},
		"a template's button": {text(`"type":"button","button":{"payload":"p","text":"Stop"}`), reporttest.Preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a button": {text(`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"1","title":"STOP"}}`),
			reporttest.Preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a picture": {text(`"type":"image","image":{"caption":"stop","id":"1"}`), report.Update{}},
		"without a time": {change("messages", `"messages":[{"from":"12025550143","id":"wamid.2","timestamp":"soon","type":"text","text":{"body":"stop"}},`+
			`{"from":"12025550143","id":"wamid.2","text":{"body":"stop"}}]`),
			reporttest.Preferences(late, late)},
		"without a sender or an id": {change("messages", `"messages":[{"id":"wamid.2","text":{"body":"stop"}},{"from":"12025550143","text":{"body":"stop"}}]`), report.Update{Unread: []string{"wamid.2:opt_out"}}},
		"an entry of a list": {text(`"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":"Stop","description":"no more"}}`),
			reporttest.Preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a user name, with the number among the contacts": {change("messages", `"contacts":[{"wa_id":"","user_id":"US.1"},{"profile":{"username":"@jane"},"wa_id":"12025550143","user_id":"US.2"}],`+
			`"messages":[{"from_user_id":"US.2","id":"wamid.2","timestamp":"1731705721","type":"text","text":{"body":"stop"}}]`), reporttest.Preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a user name alone": {change("messages", `"contacts":[{"user_id":"US.2"}],"messages":[{"from_user_id":"US.2","id":"wamid.2","timestamp":"1731705721","text":{"body":"stop"}}]`),
			report.Update{Unread: []string{"wamid.2:opt_out"}}},
		"STOP, among fields of other types": {change("messages", `"contacts":{"wa_id":7},"statuses":"none","messages":[{"from":"12025550143","id":"wamid.2","timestamp":["x"],"context":7,"button":"no",`+
			`"interactive":[1],"text":{"body":"stop","preview_url":"x"}}]`), reporttest.Preferences(late)},
		"a status, among fields of other types": {change("messages", `"statuses":[{"id":"wamid.1","status":"read","timestamp":"1731705721","recipient_id":7,"errors":"none","conversation":[]}]`),
			reporttest.Reports(dlr(report.Read, nil))},
		"a user name, thanks": {change("messages", `"messages":[{"from_user_id":"US.2","id":"wamid.2","text":{"body":"thanks"}}]`), report.Update{}},
		"no offers":           {marketing("stop"), report.Update{}},
		"offers again":        {marketing("resume"), reporttest.Preferences(prefer("digest", suppress.OptIn, suppress.Unsubscribe))},
		"of another thing":    {strings.Replace(marketing("stop"), "marketing_messages", "calls", 1), report.Update{}},
		"of another kind":     {marketing("pause"), report.Update{}},
		"a template's state":  {change("message_template_status_update", `"event":"APPROVED"`), report.Update{}},
		"another product":     {`{"object":"page","entry":[{"changes":[{"value":{"statuses":[{"id":"a","status":"read"}]}}]}]}`, report.Update{}},
		"nothing":             {`{"object":"whatsapp_business_account","entry":[{"changes":[{},{"value":7}]},{}]}`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse([]byte(tt.body), words(t), received)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Preferences {
				if id := got.Preferences[i].EventID; len(id) == 32 && !strings.Contains(id, "12025550143") {
					got.Preferences[i].EventID = "digest"
				}
			}
			reporttest.Equal(t, tt.want, got)
		})
	}
	for _, body := range []string{"", "[]", "{", `{"entry":{}}`, `{"object":7}`, "\xff"} {
		if _, err := parse([]byte(body), words(t), received); reporttest.Answered(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
