package emulator

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	awsprovider "ringup.dev/ringup/internal/provider/aws"
)

// signed says whether a request has the right Signature Version 4: it signs the same request and compares.
func signed(r *http.Request, body []byte, service string) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	authorization := r.Header.Get("Authorization")
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return false
	}
	for name := range strings.SplitSeq(names, ";") {
		if name == "content-length" {
			again.ContentLength = r.ContentLength
		}
		if values := r.Header.Values(name); len(values) > 0 && name != "content-length" {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: AWSAccessKeyID, SecretAccessKey: AWSSecretAccessKey}
	if v4.NewSigner().SignHTTP(context.Background(), credentials, again, hex.EncodeToString(hash[:]), service, AWSRegion, at) != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(again.Header.Get("Authorization")), []byte(authorization)) == 1
}

// snsDialect is Amazon SNS, a query API that answers XML (docs.aws.amazon.com/sns/latest/api/API_Publish.html).
var snsDialect = Dialect{
	Name:    "sns",
	Routes:  []string{"POST /{$}"},
	IsProbe: func(_ *http.Request, body []byte) bool { return action(body) == "GetSMSAttributes" },
	IsList:  func(body []byte) bool { return action(body) == "ListPhoneNumbersOptedOut" },
	List:    listOptedOut,
	Check: func(r *http.Request, body []byte) *Refusal {
		if !signed(r, body, "sns") {
			return &Refusal{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch", Text: "The request signature we calculated does not match the signature you provided."}
		}
		return nil
	},
	Read: func(r *http.Request, body []byte) (Message, *Refusal) {
		form, err := url.ParseQuery(string(body))
		refuse := func(code, text string) (Message, *Refusal) {
			return Message{}, &Refusal{Status: http.StatusBadRequest, Code: code, Text: text}
		}
		m := Message{Channel: "sms", To: form.Get("PhoneNumber"), Text: form.Get("Message")}
		switch {
		case err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
			return refuse("MalformedQueryString", "The query string is malformed")
		case form.Get("Action") != "Publish" || form.Get("Version") != "2010-03-31":
			return refuse("InvalidAction", "The action is not valid for this endpoint.")
		case !e164.MatchString(m.To):
			return refuse("InvalidParameter", "Invalid parameter: PhoneNumber Reason: "+m.To+" is not valid to publish to")
		case m.Text == "":
			return refuse("InvalidParameter", "Invalid parameter: Empty message")
		case len(m.Text) > 1600:
			return refuse("InvalidParameter", "Invalid parameter: Message too long")
		}
		return m, nil
	},
	Accept: func(w http.ResponseWriter, m Message) {
		writeXML(w, http.StatusOK, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>`+m.ID+
			`</MessageId></PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>`)
	},
	Healthy: func(w http.ResponseWriter) {
		writeXML(w, http.StatusOK, `<GetSMSAttributesResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><GetSMSAttributesResult><attributes><entry>`+
			`<key>MonthlySpendLimit</key><value>1</value></entry></attributes></GetSMSAttributesResult></GetSMSAttributesResponse>`)
	},
	Refuse: refuseXML,
}

func refuseXML(w http.ResponseWriter, r Refusal) {
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(r.Text)) // a strings.Builder returns no error
	writeXML(w, r.Status, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>`+code(r)+`</Code><Message>`+
		text.String()+`</Message></Error><RequestId>1</RequestId></ErrorResponse>`)
}

func action(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("Action")
}

// code returns a refusal's code, or the usual one for its status.
func code(r Refusal) string {
	switch {
	case r.Code != "":
		return r.Code
	case r.Status == http.StatusTooManyRequests:
		return "ThrottlingException"
	case r.Status >= 500:
		return "InternalFailure"
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
		return "AccessDeniedException"
	}
	return "BadRequestException"
}

func writeXML(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// tag is what a tag's name and value can have, by the stricter of SES's two documents: its model (MessageTag in aws/api-models-aws) allows neither
// points nor 256 characters, which the page (docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html) does.
var tag = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// sesDialect is Amazon SES v2 (docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).
var sesDialect = Dialect{
	Name:    "ses",
	Report:  sesReport,
	Routes:  []string{"POST /v2/email/outbound-emails", "GET /v2/email/account"},
	IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
	Check: func(r *http.Request, body []byte) *Refusal {
		if !signed(r, body, "ses") {
			return &Refusal{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch", Text: "The request signature we calculated does not match the signature you provided."}
		}
		return nil
	},
	Read: func(r *http.Request, body []byte) (Message, *Refusal) {
		type part struct{ Data string }
		var mail struct {
			FromEmailAddress string
			Destination      struct{ ToAddresses []string }
			Content          struct {
				Simple struct {
					Subject part
					Body    struct{ Text, Html part } //nolint:revive // SES's name
					Headers []struct{ Name, Value string }
				}
			}
			ReplyToAddresses     []string
			EmailTags            []struct{ Name, Value string }
			ConfigurationSetName string
		}
		refuse := func(text string) (Message, *Refusal) {
			return Message{}, &Refusal{Status: http.StatusBadRequest, Code: "BadRequestException", Text: text}
		}
		if err := decode(r, body, &mail); err != nil {
			return refuse("The request body is malformed")
		}
		simple := mail.Content.Simple
		switch {
		case mail.FromEmailAddress == "":
			return refuse("FromEmailAddress is required")
		case len(mail.Destination.ToAddresses) != 1 || !isAddress(mail.Destination.ToAddresses[0]):
			return refuse("Illegal address")
		case simple.Subject.Data == "" || simple.Body.Text.Data == "" && simple.Body.Html.Data == "":
			return refuse("Content is required")
		}
		for _, address := range mail.ReplyToAddresses {
			if !isAddress(address) {
				return refuse("Illegal address")
			}
		}
		m := Message{Channel: "email", ReplyTo: strings.Join(mail.ReplyToAddresses, ", "), To: mail.Destination.ToAddresses[0], From: mail.FromEmailAddress, Subject: simple.Subject.Data,
			Text: simple.Body.Text.Data, HTML: simple.Body.Html.Data, Fields: map[string]string{}, ConfigurationSet: mail.ConfigurationSetName}
		headers := map[string]string{}
		for _, header := range simple.Headers {
			headers[header.Name] = header.Value
		}
		m.Automatic = headers["Auto-Submitted"]
		var wrong string
		if m.Unsubscribe, wrong = unsubscribe(headers); wrong != "" {
			return refuse(wrong)
		}
		returned := map[string][]string{}
		for _, given := range mail.EmailTags {
			switch _, twice := m.Fields[given.Name]; {
			case twice:
				return refuse("Duplicate tag name")
			case !tag.MatchString(given.Name) || !tag.MatchString(given.Value):
				return refuse("Invalid tag")
			}
			m.Fields[given.Name], returned[given.Name] = given.Value, []string{given.Value}
		}
		m.JobID = awsprovider.DecodeTags(returned)
		return m, nil
	},
	Accept: func(w http.ResponseWriter, m Message) {
		writeJSON(w, http.StatusOK, map[string]string{"MessageId": m.ID})
	},
	Healthy: func(w http.ResponseWriter) {
		writeJSON(w, http.StatusOK, map[string]any{"SendingEnabled": true, "ProductionAccessEnabled": true, "EnforcementStatus": "HEALTHY"})
	},
	Refuse: func(w http.ResponseWriter, r Refusal) {
		w.Header().Set("X-Amzn-ErrorType", code(r))
		writeJSON(w, r.Status, map[string]string{"message": r.Text})
	},
}
