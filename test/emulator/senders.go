package emulator

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// The tokens that the APIs of the senders accept. They refuse all others.
const (
	SquareToken     = "EAAA-token-for-the-emulator"
	StripeKey       = "rk_key_for_the_emulator"
	LoyverseToken   = "loyverse-token-for-the-emulator"
	LightspeedToken = "lsxs_pt_token-for-the-emulator"
	CloverToken     = "clover-token-for-the-emulator"
	CloverMerchant  = "TESTMERCH0001" // whose token it is
)

// API stands in for the API of a sender: it has objects by path, and refuses as the sender does. It is safe for concurrent use.
type API struct {
	token, version string // version is the name of the header with the API's version; "" for none
	errorBody      func(status int) string
	check          func(*http.Request) int // the status of a request that is refused; 0, or no check: it is not

	mu       sync.Mutex
	objects  map[string]string // by path, with the query where it has one
	faults   []APIFault
	requests []string
}

// APIFault is an answer in the place of objects.
type APIFault struct {
	Status int // 0: the connection ends without an answer
	Header http.Header
	Body   string // "": the sender's own error
	Times  int    // number of requests; 0 is every request until Fail is called again
}

// NewSquareAPI stands in for connect.squareup.com. Its errors are those of "Handling errors" in Square's documentation.
func NewSquareAPI() *API {
	return newAPI(SquareToken, "Square-Version", func(status int) string {
		category, code := "INVALID_REQUEST_ERROR", "BAD_REQUEST"
		switch {
		case status == http.StatusUnauthorized:
			category, code = "AUTHENTICATION_ERROR", "UNAUTHORIZED"
		case status == http.StatusForbidden:
			category, code = "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES"
		case status == http.StatusNotFound:
			code = "NOT_FOUND"
		case status == http.StatusTooManyRequests:
			category, code = "RATE_LIMIT_ERROR", "RATE_LIMITED"
		case status >= 500:
			category, code = "API_ERROR", "INTERNAL_SERVER_ERROR"
		}
		return fmt.Sprintf(`{"errors":[{"category":%q,"code":%q,"detail":"rosa@example.com"}]}`, category, code)
	})
}

// NewStripeAPI stands in for api.stripe.com. Its errors are those of docs.stripe.com/api/errors.
func NewStripeAPI() *API {
	return newAPI(StripeKey, "", func(status int) string {
		kind, code := "invalid_request_error", "parameter_invalid"
		switch {
		case status == http.StatusNotFound:
			code = "resource_missing"
		case status == http.StatusTooManyRequests:
			code = "rate_limit"
		case status >= 500:
			kind, code = "api_error", ""
		}
		return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"message":"rosa@example.com"}}`, kind, code)
	})
}

// NewLoyverseAPI stands in for api.loyverse.com. Its errors are those that siarheipashkevich/loyverse-sdk reads, src/MakesHttpRequests.php at 418b176.
func NewLoyverseAPI() *API {
	codes := map[int]string{401: "UNAUTHORIZED", 402: "PAYMENT_REQUIRED", 403: "FORBIDDEN", 404: "NOT_FOUND", 429: "RATE_LIMITED", 500: "INTERNAL_SERVER_ERROR"}
	return newAPI(LoyverseToken, "", func(status int) string {
		return fmt.Sprintf(`{"errors":[{"code":%q,"details":"mai@example.com"}]}`, cmp.Or(codes[status], "BAD_REQUEST"))
	})
}

// NewLightspeedAPI stands in for a store at retail.lightspeed.app. Its errors are like the one of x-series-api.lightspeedhq.com/docs/rate_limiting.
func NewLightspeedAPI() *API {
	return newAPI(LightspeedToken, "", func(status int) string {
		return fmt.Sprintf(`{"error":%q,"message":"vera@example.com"}`, http.StatusText(status))
	})
}

// NewCloverAPI stands in for api.clover.com. As Clover it answers 401 for the objects of another merchant (docs.clover.com/dev/docs/401-unauthorized), and 400 for more than three expansions
// (docs.clover.com/dev/docs/expanding-fields).
func NewCloverAPI() *API {
	api := newAPI(CloverToken, "", func(status int) string {
		return fmt.Sprintf(`{"message":"%d %s"}`, status, http.StatusText(status))
	})
	api.check = func(r *http.Request) int {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/v3/merchants/"+CloverMerchant+"/"):
			return http.StatusUnauthorized
		case strings.Count(r.URL.Query().Get("expand"), ",") > 2:
			return http.StatusBadRequest
		}
		return 0
	}
	return api
}

func newAPI(token, version string, errorBody func(int) string) *API {
	return &API{token: token, version: version, errorBody: errorBody, objects: map[string]string{}}
}

// Put puts an object at a path, with its query where it is asked for with one; "" takes it away.
func (a *API) Put(path, object string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[path] = object
}

// Fail replaces the faults. Without arguments the API has none.
func (a *API) Fail(faults ...APIFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = faults
}

// Requests returns the paths that were asked for with a right token, and forgets them.
func (a *API) Requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	requests := a.requests
	a.requests = nil
	return requests
}

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !bearer || token != a.token:
		a.refuse(w, http.StatusUnauthorized, "")
		return
	case r.Method != http.MethodGet, a.version != "" && !apiVersion.MatchString(r.Header.Get(a.version)):
		a.refuse(w, http.StatusBadRequest, "")
		return
	}
	a.requests = append(a.requests, r.URL.RequestURI())
	if len(a.faults) > 0 {
		a.fail(w)
		return
	}
	if a.check != nil {
		if status := a.check(r); status != 0 {
			a.refuse(w, status, "")
			return
		}
	}
	object := a.objects[r.URL.RequestURI()]
	if object == "" {
		a.refuse(w, http.StatusNotFound, "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, object)
}

// fail answers by the first fault.
func (a *API) fail(w http.ResponseWriter) {
	f := &a.faults[0]
	fault := *f
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			a.faults = a.faults[1:]
		}
	}
	if fault.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, values := range fault.Header {
		w.Header()[name] = values
	}
	a.refuse(w, fault.Status, fault.Body)
}

func (a *API) refuse(w http.ResponseWriter, status int, body string) {
	if body == "" {
		body = a.errorBody(status)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
