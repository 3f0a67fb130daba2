package emulator

import (
	"encoding/json"
	"net/http"
	netmail "net/mail"

	"ringup.dev/ringup/internal/report"
)

// sendgridDialect is api.sendgrid.com (twilio.com/docs/sendgrid/api-reference/mail-send/mail-send).
var sendgridDialect = Dialect{
	Name:    "sendgrid",
	Report:  sendgridReport,
	Routes:  []string{"POST /v3/mail/send", "GET /v3/scopes"},
	IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
	Check: func(r *http.Request, _ []byte) *Refusal {
		if r.Header.Get("Authorization") != "Bearer "+SendGridAPIKey {
			return &Refusal{Status: http.StatusUnauthorized, Text: "The provided authorization grant is invalid, expired, or revoked"}
		}
		return nil
	},
	Read: readSendGrid,
	Accept: func(w http.ResponseWriter, m Message) {
		w.Header().Set("X-Message-Id", m.ID)
		w.WriteHeader(http.StatusAccepted)
	},
	Healthy: func(w http.ResponseWriter) {
		writeJSON(w, http.StatusOK, map[string]any{"scopes": []string{"mail.send", "user.profile.read"}})
	},
	Refuse: func(w http.ResponseWriter, r Refusal) {
		var field any
		if r.Field != "" {
			field = r.Field
		}
		writeJSON(w, r.Status, map[string]any{"errors": []map[string]any{{"message": r.Text, "field": field, "help": nil}}})
	},
}

// maxCustomArgs is the most bytes that the custom arguments of a message may have together.
const maxCustomArgs = 10_000

func readSendGrid(r *http.Request, body []byte) (Message, *Refusal) {
	refuse := func(field, text string) (Message, *Refusal) {
		return Message{}, &Refusal{Status: http.StatusBadRequest, Field: field, Text: text}
	}
	type address struct {
		Email string `json:"email"`
	}
	var mail struct {
		From             address `json:"from"`
		ReplyTo          address `json:"reply_to"`
		Subject          string  `json:"subject"`
		Personalizations []struct {
			To         []address         `json:"to"`
			Headers    map[string]string `json:"headers"`
			CustomArgs map[string]string `json:"custom_args"`
		} `json:"personalizations"`
		Content []struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"content"`
		// The specification types it as a string; an object is refused.
		CustomArgs *string `json:"custom_args"`
	}
	if err := decode(r, body, &mail); err != nil {
		return refuse("", "Bad Request")
	}
	switch {
	case len(mail.Personalizations) == 0 || len(mail.Personalizations) > 1000:
		return refuse("personalizations", "The personalizations field is required and must have between 1 and 1000 items.")
	case len(mail.Personalizations[0].To) == 0:
		return refuse("personalizations.0.to", "The to array is required for all personalization objects, and must have at least one email object with a valid email address.")
	case !isAddress(mail.Personalizations[0].To[0].Email):
		return refuse("personalizations.0.to.0.email", "Does not contain a valid address.")
	case !isAddress(mail.From.Email):
		return refuse("from.email", "The from email does not contain a valid address.")
	case mail.ReplyTo.Email != "" && !isAddress(mail.ReplyTo.Email):
		return refuse("reply_to.email", "The reply_to email does not contain a valid address.")
	case mail.Subject == "":
		return refuse("subject", "The subject is required. You can get around this requirement if you use a template with a subject defined.")
	case len(mail.Content) == 0:
		return refuse("content", "Unless a valid template_id is provided, the content parameter is required.")
	}
	args := mail.Personalizations[0].CustomArgs
	if text, err := json.Marshal(args); err != nil || len(text) > maxCustomArgs {
		return refuse("personalizations.0.custom_args", "The custom_args size exceeds the 10000 byte limit.")
	}
	m := Message{Channel: "email", ReplyTo: mail.ReplyTo.Email, Automatic: mail.Personalizations[0].Headers["Auto-Submitted"], To: mail.Personalizations[0].To[0].Email, From: mail.From.Email, Subject: mail.Subject,
		JobID: report.DecodeJob(args[report.JobField]), Fields: args}
	for i, part := range mail.Content {
		switch {
		case part.Value == "":
			return refuse("content.value", "The content value must be a string at least one character in length.")
		case part.Type == "text/plain" && i == 0:
			m.Text = part.Value
		case part.Type == "text/html":
			m.HTML = part.Value
		default:
			return refuse("content.type", "If present, text/plain and text/html may only be provided once, and must be in that order.")
		}
	}
	var wrong string
	if m.Unsubscribe, wrong = unsubscribe(mail.Personalizations[0].Headers); wrong != "" {
		return refuse("personalizations.0.headers", wrong)
	}
	return m, nil
}

func isAddress(text string) bool {
	parsed, err := netmail.ParseAddress(text)
	return err == nil && parsed.Address == text
}
