package emulator

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// unsubscribe reads the headers for unsubscribing with one click (RFC 8058, section 3.1): both or neither, and a URL. Providers accept any
// value. The emulator refuses values that mail programs ignore.
func unsubscribe(headers map[string]string) (address, wrong string) {
	list, one := headers["List-Unsubscribe"]
	post, other := headers["List-Unsubscribe-Post"]
	if !one && !other {
		return "", ""
	}
	address = strings.TrimSuffix(strings.TrimPrefix(list, "<"), ">")
	parsed, err := url.Parse(address)
	switch {
	case !one || !other || post != "List-Unsubscribe=One-Click":
		return "", "List-Unsubscribe and List-Unsubscribe-Post: List-Unsubscribe=One-Click belong together"
	case len(list) != len(address)+2 || err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", "List-Unsubscribe has no URL in angle brackets"
	}
	return address, ""
}

// optedOutPage is the number of phone numbers per page (docs.aws.amazon.com/sns/latest/api/API_ListPhoneNumbersOptedOut.html).
const optedOutPage = 100

// listOptedOut answers with one page. The token is the position at which the next page begins.
func listOptedOut(w http.ResponseWriter, body []byte, optedOut []string) {
	form, _ := url.ParseQuery(string(body)) // it was parsed before, for its action
	begin, err := strconv.Atoi(form.Get("nextToken"))
	if form.Get("nextToken") != "" && (err != nil || begin < 0 || begin > len(optedOut)) {
		refuseXML(w, Refusal{Status: http.StatusBadRequest, Code: "InvalidParameter", Text: "Invalid parameter: nextToken"})
		return
	}
	end := min(begin+optedOutPage, len(optedOut))
	var members, next strings.Builder
	for _, number := range optedOut[begin:end] {
		members.WriteString("<member>" + number + "</member>")
	}
	if end < len(optedOut) {
		next.WriteString("<nextToken>" + strconv.Itoa(end) + "</nextToken>")
	}
	writeXML(w, http.StatusOK, `<ListPhoneNumbersOptedOutResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ListPhoneNumbersOptedOutResult><phoneNumbers>`+
		members.String()+`</phoneNumbers>`+next.String()+`</ListPhoneNumbersOptedOutResult></ListPhoneNumbersOptedOutResponse>`)
}
