package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// What Toast's API accepts.
const (
	ToastClientID     = "toast-client-of-the-emulator"
	ToastClientSecret = "toast-secret-of-the-emulator"
	ToastRestaurant   = "4622e7a9-b4be-3fef-9220-b3dad273e0b4" // that the client may see
)

// ToastAPI stands in for ws-api.toasttab.com: tokens by a login (doc.toasttab.com/doc/devguide/authentication.html), and orders of one restaurant. It is safe for concurrent use.
type ToastAPI struct {
	*API
	seconds int // that a token is valid for
	logins  int
}

// NewToastAPI returns one whose tokens are said to be valid for a number of seconds. Its errors are those of doc.toasttab.com/doc/devguide/apiResponsesAndErrors.html.
func NewToastAPI(seconds int) *ToastAPI {
	api := &ToastAPI{API: newAPI("toast-token-0", "", func(status int) string {
		return fmt.Sprintf(`{"status":%d,"code":0,"message":%q,"requestId":"r"}`, status, http.StatusText(status))
	}), seconds: seconds}
	api.check = func(r *http.Request) int {
		if r.Header.Get("Toast-Restaurant-External-ID") != ToastRestaurant {
			return http.StatusForbidden
		}
		return 0
	}
	return api
}

// Logins returns how many tokens were made.
func (a *ToastAPI) Logins() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logins
}

// ServeHTTP answers a request. A login makes a token; those before are refused from then on.
func (a *ToastAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/authentication/v1/authentication/login" {
		a.API.ServeHTTP(w, r)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.faults) > 0 {
		a.fail(w)
		return
	}
	var body map[string]string
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || body["userAccessType"] != "TOAST_MACHINE_CLIENT" {
		a.refuse(w, http.StatusBadRequest, "")
		return
	}
	if body["clientId"] != ToastClientID || body["clientSecret"] != ToastClientSecret || r.Header.Get("Authorization") != "" {
		a.refuse(w, http.StatusUnauthorized, "")
		return
	}
	a.logins++
	a.token = fmt.Sprintf("toast-token-%d", a.logins)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, fmt.Sprintf(`{"@class":".SuccessfulResponse","token":{"tokenType":"Bearer","scope":null,"expiresIn":%d,"accessToken":%q,"idToken":null,"refreshToken":null},"status":"SUCCESS"}`, a.seconds, a.token))
}
