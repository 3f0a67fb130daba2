package emulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"ringup.dev/ringup/internal/report"
)

var (
	e164       = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	unescaped  = regexp.MustCompile(`^[A-Za-z0-9_=&-]*$`)
	contentSID = regexp.MustCompile(`^HX[0-9a-f]{32}$`)
)

// twilioDialect is api.twilio.com (twilio.com/docs/messaging/api/message-resource).
var twilioDialect = Dialect{
	Name:    "twilio",
	Report:  twilioReport,
	Receive: (*Callbacks).twilioInbound,
	Routes:  []string{"POST /2010-04-01/Accounts/{sid}/Messages.json", "GET /2010-04-01/Accounts/{account}"},
	IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
	Check: func(r *http.Request, _ []byte) *Refusal {
		user, password, _ := r.BasicAuth()
		inPath := r.PathValue("sid") + strings.TrimSuffix(r.PathValue("account"), ".json")
		if user != TwilioAccountSID || password != TwilioAuthToken || inPath != TwilioAccountSID {
			return &Refusal{Status: http.StatusUnauthorized, Code: "20003", Text: "Authenticate"}
		}
		return nil
	},
	Read: readTwilio,
	Accept: func(w http.ResponseWriter, m Message) {
		writeJSON(w, http.StatusCreated, map[string]any{"sid": "SM" + m.ID, "status": "queued", "account_sid": TwilioAccountSID, "error_code": nil})
	},
	Healthy: func(w http.ResponseWriter) {
		writeJSON(w, http.StatusOK, map[string]any{"sid": TwilioAccountSID, "status": "active"})
	},
	Refuse: func(w http.ResponseWriter, r Refusal) {
		code, err := strconv.Atoi(r.Code)
		if err != nil {
			// Twilio's general codes are the digits 20 and the status.
			code = 20000 + r.Status
		}
		writeJSON(w, r.Status, map[string]any{"code": code, "message": r.Text, "status": r.Status, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code)})
	},
}

func readTwilio(r *http.Request, body []byte) (Message, *Refusal) {
	refuse := func(code, text string) (Message, *Refusal) {
		return Message{}, &Refusal{Status: http.StatusBadRequest, Code: code, Text: text}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return refuse("20001", "Bad request")
	}
	m := Message{Channel: "sms", To: form.Get("To"), From: form.Get("From") + form.Get("MessagingServiceSid"), Text: form.Get("Body"), Template: form.Get("ContentSid")}
	if to, is := strings.CutPrefix(m.To, "whatsapp:"); is {
		m.Channel, m.To = "whatsapp", to
		from, same := strings.CutPrefix(m.From, "whatsapp:")
		if !same {
			return refuse("63007", "Twilio could not find a Channel with the specified From address")
		}
		m.From = from
	}
	if m.StatusCallback = form.Get("StatusCallback"); m.StatusCallback != "" {
		at, err := url.Parse(m.StatusCallback)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return refuse("21609", "The 'StatusCallback' URL is not a valid URL")
		}
		// Twilio signs the address, and a program on the way may write anything else in it differently (%3A and :).
		if !unescaped.MatchString(at.RawQuery) {
			return refuse("21609", "The 'StatusCallback' URL is not a valid URL")
		}
		m.JobID = report.DecodeJob(at.Query().Get("job"))
	}
	var variables map[string]string
	switch {
	case m.To == "":
		return refuse("21604", "A 'To' phone number is required.")
	case !e164.MatchString(m.To):
		return refuse("21211", "The 'To' number "+m.To+" is not a valid phone number.")
	case m.From == "":
		return refuse("21603", "A 'From' phone number is required.")
	case m.Text == "" && m.Template == "":
		return refuse("21602", "Message body is required.")
	case len(utf16.Encode([]rune(m.Text))) > 1600: // an emoji counts as two
		return refuse("21617", "The concatenated message body exceeds the 1600 character limit.")
	case m.Template != "" && !contentSID.MatchString(m.Template):
		return refuse("63027", "Template does not exist for a language and locale")
	case m.Template != "" && json.Unmarshal([]byte(form.Get("ContentVariables")), &variables) != nil:
		return refuse("63028", "Number of parameters provided does not match the expected number of parameters")
	}
	for _, value := range variables {
		if value == "" {
			return refuse("21656", "The ContentVariables parameter is invalid.")
		}
	}
	return m, nil
}
