package emulator

import (
	"net/http"
	"strconv"
	"unicode/utf8"
)

// whatsappDialect is the Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
var whatsappDialect = Dialect{
	Name:    "whatsapp",
	Report:  whatsappReport,
	Receive: (*Callbacks).whatsappInbound,
	Routes:  []string{"POST /v23.0/{number}/messages", "GET /v23.0/{number}"},
	IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
	Check: func(r *http.Request, _ []byte) *Refusal {
		if r.Header.Get("Authorization") != "Bearer "+WhatsAppToken {
			return &Refusal{Status: http.StatusUnauthorized, Code: "190", Text: "Invalid OAuth access token - Cannot parse access token"}
		}
		if r.PathValue("number") != WhatsAppNumberID {
			return &Refusal{Status: http.StatusBadRequest, Code: "100", Subcode: 33,
				Text: "Unsupported post request. Object with this ID does not exist, cannot be loaded due to missing permissions, or does not support this operation."}
		}
		return nil
	},
	Read: func(r *http.Request, body []byte) (Message, *Refusal) {
		refuse := func(code, text string) (Message, *Refusal) {
			return Message{}, &Refusal{Status: http.StatusBadRequest, Code: code, Text: text}
		}
		var in struct {
			Product       string `json:"messaging_product"`
			RecipientType string `json:"recipient_type"`
			To            string `json:"to"`
			Type          string `json:"type"`
			Text          struct {
				Body string `json:"body"`
			} `json:"text"`
			Template struct {
				Name     string `json:"name"`
				Language struct {
					Code string `json:"code"`
				} `json:"language"`
				Components []struct {
					Parameters []struct {
						Text string `json:"text"`
					} `json:"parameters"`
				} `json:"components"`
			} `json:"template"`
		}
		if err := decode(r, body, &in); err != nil || in.Product != "whatsapp" || in.RecipientType != "individual" {
			return refuse("100", "Invalid parameter")
		}
		m := Message{Channel: "whatsapp", To: in.To, From: r.PathValue("number"), Text: in.Text.Body, Template: in.Template.Name}
		switch {
		case !e164.MatchString(in.To):
			return refuse("131009", "Parameter value is not valid")
		case in.Type == "text" && (m.Text == "" || utf8.RuneCountInString(m.Text) > 4096):
			return refuse("131008", "Required parameter is missing")
		case in.Type == "template" && (m.Template == "" || in.Template.Language.Code == ""):
			return refuse("132001", "Template name does not exist in the translation")
		case in.Type != "text" && in.Type != "template":
			return refuse("131051", "Unsupported message type")
		}
		for _, component := range in.Template.Components {
			for _, parameter := range component.Parameters {
				if parameter.Text == "" {
					return refuse("131008", "Required parameter is missing")
				}
			}
		}
		return m, nil
	},
	Accept: func(w http.ResponseWriter, m Message) {
		writeJSON(w, http.StatusOK, map[string]any{"messaging_product": "whatsapp", "contacts": []map[string]string{{"input": m.To, "wa_id": m.To[1:]}},
			"messages": []map[string]string{{"id": "wamid." + m.ID, "message_status": "accepted"}}})
	},
	Healthy: func(w http.ResponseWriter) { writeJSON(w, http.StatusOK, map[string]any{"id": WhatsAppNumberID}) },
	Refuse: func(w http.ResponseWriter, r Refusal) {
		code, err := strconv.Atoi(r.Code)
		if err != nil {
			code = map[bool]int{true: 131000, false: 100}[r.Status >= 500]
			if r.Status == http.StatusTooManyRequests {
				code = 130429
			}
		}
		writeJSON(w, r.Status, map[string]any{"error": map[string]any{"message": r.Text, "type": "OAuthException", "code": code, "error_subcode": r.Subcode,
			"is_transient": r.Flag, "fbtrace_id": "A"}})
	},
}
