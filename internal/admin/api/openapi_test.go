package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/preview"
	"ringup.dev/ringup/internal/queue"
)

// TestOpenAPI holds the description to the handlers: every operation is asked for, well and badly, and its answer has to be one that
// is described.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", Reveal: true})
	d.Failed("a", "TXN_1", "permanent: invalid_recipient")
	d.Settled("told", "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"},
		Cost: queue.Cost{Event: "payment_complete", Source: "till", Micros: 7900}}})
	d.Must(d.Store.SetAside(t.Context(), &queue.SetAside{ID: "aside1", Sender: "shopify", Why: "the order has no id", Body: []byte("{\xff}")}))
	d.Must(d.Store.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Counts: map[string]int64{"accepted": 1},
		Latest: []queue.Delivery{{Topic: "orders/paid", Outcome: "accepted", Why: "x", Events: []string{"e"}, Header: map[string][]string{"A": {"b"}}}}}))
	doc, err := openapi3.NewLoader().LoadFromData(api.Description)
	d.Must(err)
	d.Must(doc.Validate(t.Context()))
	router, err := gorillamux.NewRouter(doc)
	d.Must(err)
	asked := map[string]bool{}
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/admin/api/verdict", "", 200},
		{http.MethodPost, "/admin/api/actions", `{"action":"pause","channel":"sms","why":"a wrong text"}`, 200},
		{http.MethodGet, "/admin/api/history", "", 200},
		{http.MethodGet, "/admin/api/history?range=48h&channel=sms", "", 200},
		{http.MethodPost, "/admin/api/actions", `{"action":"resume","channel":"sms"}`, 200},
		{http.MethodGet, "/admin/api/latest", "", 200},
		{http.MethodGet, "/admin/api/queues", "", 200},
		{http.MethodGet, "/admin/api/queues/sms/failed?offset=0", "", 200},
		{http.MethodGet, "/admin/api/queues/sms/waiting?priority=4", "", 200},
		{http.MethodGet, "/admin/api/queues/sms/failed?event=payment_complete&provider=twilio&why=INVALID&sort=oldest&from=2020-01-01T00:00:00Z&to=2200-01-01T00:00:00Z&store=default", "", 200},
		{http.MethodGet, "/admin/api/queues/sms/failed/export?format=json&event=payment_complete", "", 200},
		{http.MethodGet, "/admin/api/queues/sms/failed/export?format=csv", "", 200},
		{http.MethodPost, "/admin/api/actions", `{"action":"retry","channel":"sms","place":"failed","where":{"event":"payment_complete","why":"invalid"},"dry_run":true}`, 200},
		{http.MethodGet, "/admin/api/job?id=a:sms:1", "", 200},
		{http.MethodGet, "/admin/api/job?id=b:sms:1", "", 404},
		{http.MethodPost, "/admin/api/search", `{"text":"TXN_1"}`, 200},
		{http.MethodPost, "/admin/api/actions", `{"action":"retry","channel":"sms","ids":["a:sms:1"],"dry_run":true}`, 200},
		{http.MethodPost, "/admin/api/actions", `{"action":"open-breaker","channel":"sms","provider":"nobody"}`, 422},
		{http.MethodPost, "/admin/api/actions", `{"action":"retry","channel":"sms","ids":["a:sms:1"]}`, 200},
		{http.MethodGet, "/admin/api/queues/sms/held", "", 200},
		{http.MethodGet, "/admin/api/job?id=told:sms:1", "", 200},
		{http.MethodGet, "/admin/api/spending?days=2", "", 200},
		{http.MethodPost, "/admin/api/preview", `{"event":"pos_save","locale":"de"}`, 200},
		{http.MethodPost, "/admin/api/preview", `{"payload":"{}"}`, 422},
		{http.MethodPost, "/admin/api/preview/send", `{"channel":"sms","audience":"customer","address":"+1 202 555 0143"}`, 200},
		{http.MethodPost, "/admin/api/preview/send", `{"channel":"email","audience":"staff","address":"jane"}`, 422},
		{http.MethodPost, "/admin/api/suppressed/add", `{"channel":"sms","address":"+15550104242","why":"asked"}`, 200},
		{http.MethodPost, "/admin/api/suppressed/add", `{"channel":"email","address":"nobody"}`, 422},
		{http.MethodPost, "/admin/api/suppressed/check", `{"channel":"sms","address":"+15550104242"}`, 200},
		{http.MethodPost, "/admin/api/suppressed/check", `{"channel":"sms","address":"+15550104243"}`, 200},
		{http.MethodGet, "/admin/api/suppressed/sms?offset=0", "", 200},
		{http.MethodPost, "/admin/api/suppressed/import?channel=sms&partial=true", "+15550104244\n+1\n", 200},
		{http.MethodPost, "/admin/api/suppressed/import?channel=sms", "+1\n", 422},
		{http.MethodPost, "/admin/api/suppressed/export", `{"channel":"sms"}`, 200},
		{http.MethodPost, "/admin/api/suppressed/remove", `{"channel":"sms","address":"+15550104242"}`, 200},
		{http.MethodPost, "/admin/api/forget", `{"who":"+1 555 010 4242","dry_run":true}`, 200},
		{http.MethodPost, "/admin/api/forget", `{"who":"nobody"}`, 422},
		{http.MethodPost, "/admin/api/forget", `{"who":"+15550104242","next":"forged.x"}`, 422},
		{http.MethodGet, "/admin/api/senders", "", 200},
		{http.MethodPost, "/admin/api/senders/body", `{"id":"aside1"}`, 200},
		{http.MethodPost, "/admin/api/senders/body", `{"id":"nothing"}`, 422},
		{http.MethodPost, "/admin/api/senders/replay", `{"ids":["aside1"],"why":"a new release"}`, 200},
		{http.MethodPost, "/admin/api/senders/delete", `{}`, 200},
		{http.MethodGet, "/admin/api/audit", "", 200},
		{http.MethodGet, "/admin/api/openapi.yaml", "", 200},
	} {
		r := httptest.NewRequest(tt.method, "http://localhost:8080"+tt.path, strings.NewReader(tt.body))
		r.Header.Set("Authorization", "Bearer right")
		r.Header.Set("Content-Type", "application/json")
		if strings.Contains(tt.path, "/import") {
			r.Header.Set("Content-Type", "text/csv")
		}
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Fatalf("%s %s is not described: %v", tt.method, tt.path, err)
		}
		asked[tt.method+" "+route.Path] = true
		input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: func(context.Context, *openapi3filter.AuthenticationInput) error { return nil }}}
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
		}
		r.Body = io.NopCloser(strings.NewReader(tt.body))
		w := httptest.NewRecorder()
		d.Handler.ServeHTTP(w, r)
		d.Want(tt.status, w)
		if strings.HasSuffix(tt.path, ".yaml") {
			continue // the validator would read it as data
		}
		if err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes()))}); err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !asked[method+" "+path] {
				t.Errorf("%s %s is described, and not tried", method, path)
			}
		}
	}
}

// TestOpenAPITypes holds the description to the types: both have the same fields.
func TestOpenAPITypes(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.Description)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "a problem", doc.Components.Responses["Problem"].Value.Content.Get(inbound.ProblemJSON).Schema.Value, reflect.TypeFor[inbound.Problem]())
	refused := doc.Paths.Value("/admin/api/suppressed/import").Post.Responses.Value("422").Value.Content.Get(inbound.ProblemJSON).Schema.Value
	compare(t, "an import that is refused", refused, reflect.TypeFor[struct {
		*inbound.Problem
		Wrong []admin.WrongLine `json:"wrong"`
	}]())
	for operation, types := range map[string]struct{ request, answer any }{
		"GET /admin/api/history":                  {nil, admin.History{}},
		"GET /admin/api/queues":                   {nil, map[string]admin.Channel{}},
		"GET /admin/api/queues/{channel}/{state}": {nil, admin.JobList{}},
		"GET /admin/api/queues/{channel}/{state}/export": {nil, struct {
			Jobs []admin.Job `json:"jobs"`
			More bool        `json:"more"`
		}{}},
		"GET /admin/api/latest":               {nil, admin.Latest{}},
		"GET /admin/api/job":                  {nil, admin.Detail{}},
		"POST /admin/api/search":              {admin.SearchRequest{}, admin.SearchResult{}},
		"GET /admin/api/audit":                {nil, admin.AuditEntries{}},
		"GET /admin/api/spending":             {nil, admin.Spending{}},
		"POST /admin/api/preview":             {preview.Request{}, admin.Preview{}},
		"POST /admin/api/preview/send":        {admin.TestRequest{}, admin.TestResult{}},
		"GET /admin/api/suppressed/{channel}": {nil, admin.Suppressions{}},
		"POST /admin/api/suppressed/check":    {admin.SuppressionChange{}, admin.SuppressionCheck{}},
		"POST /admin/api/suppressed/add":      {admin.SuppressionChange{}, admin.SuppressionChanged{}},
		"POST /admin/api/suppressed/remove":   {admin.SuppressionChange{}, admin.SuppressionChanged{}},
		"POST /admin/api/suppressed/import":   {nil, admin.ImportResult{}},
		"POST /admin/api/suppressed/export":   {admin.ExportRequest{}, nil},
		"POST /admin/api/actions":             {admin.ActionRequest{}, admin.ActionResult{}},
		"GET /admin/api/senders":              {nil, admin.SenderLogs{}},
		"POST /admin/api/senders/replay":      {admin.AsideRequest{}, admin.AsideResult{}},
		"POST /admin/api/senders/delete":      {admin.AsideRequest{}, admin.AsideResult{}},
		"POST /admin/api/senders/body":        {nil, admin.AsideBody{}},
		"POST /admin/api/forget":              {admin.ForgetRequest{}, admin.ForgetResult{}},
	} {
		method, path, _ := strings.Cut(operation, " ")
		described := doc.Paths.Value(path).GetOperation(method)
		if types.request != nil {
			compare(t, operation+": request", described.RequestBody.Value.Content.Get("application/json").Schema.Value, reflect.TypeOf(types.request))
		}
		if types.answer != nil {
			compare(t, operation, described.Responses.Value("200").Value.Content.Get("application/json").Schema.Value, reflect.TypeOf(types.answer))
		}
	}
}

// compare reports fields that only one of a schema and a type has. A schema of an object without properties is taken for any.
func compare(t *testing.T, where string, schema *openapi3.Schema, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, where, schema, typ.Elem())
	case reflect.Slice, reflect.Array:
		compare(t, where+"[]", schema.Items.Value, typ.Elem())
	case reflect.Map:
		if more := schema.AdditionalProperties.Schema; more != nil {
			compare(t, where+"{}", more.Value, typ.Elem())
		}
	case reflect.Struct:
		fields := map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(typ) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
				fields[name] = f.Type
			}
		}
		for name := range schema.Properties {
			if fields[name] == nil {
				t.Errorf("%s: %s is described, and %s does not have it", where, name, typ)
			}
		}
		for name, field := range fields {
			if property := schema.Properties[name]; property != nil {
				compare(t, where+"."+name, property.Value, field)
			} else if len(schema.Properties) > 0 {
				t.Errorf("%s: %s has %s, which is not described", where, typ, name)
			}
		}
	}
}
