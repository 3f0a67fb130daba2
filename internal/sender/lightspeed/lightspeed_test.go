package lightspeed_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/sendertest"
)

func mac(text []byte, key string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write(text)
	return m.Sum(nil)
}

func sign(d *sender.Delivery, key string) {
	d.Header.Set("X-Signature", "signature="+hex.EncodeToString(mac(d.Body, key))+",algorithm=HMAC-SHA256")
}

func bytesOf(keys []string) (all [][]byte) {
	for _, key := range keys {
		all = append(all, []byte(key))
	}
	return all
}

func suite(t testing.TB) sendertest.Suite {
	// The bytes that the signatures were computed of: the sale with the fields beside it.
	posted, err := os.ReadFile("testdata/sale.update.form")
	if err != nil {
		t.Fatal(err)
	}
	vector := func(name, signature string) sendertest.Vector {
		return sendertest.Vector{Name: name, Key: "test-lightspeed-client-secret", Body: posted, Header: http.Header{"X-Signature": {"signature=" + signature + ",algorithm=HMAC-SHA256"}}}
	}
	s := sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			return lightspeed.New(lightspeed.Options{Store: "default", Keys: bytesOf(keys)})
		},
		NewPath: func(keys ...string) sender.Sender {
			return lightspeed.New(lightspeed.Options{Store: "default", PathKeys: bytesOf(keys)})
		},
		Sign:    sign,
		Vectors: []sendertest.Vector{vector("the form", "4d2f361d87e1f01fd6150c5c64dfd4f0ed73e95d63562491e6ceda8d6860b234")}, // computed: Lightspeed publishes none
		Essential: []string{
			"id", "status", "state", "attributes[]", "deleted_at", "return_for", "total_price", "total_tax", "totals.total_price", "totals.total_tax", "totals.total_payment", "totals.total_to_pay",
			"sale_date", "created_at", "updated_at", "register_sale_payments[].payment_date", "payments[].payment_date",
		},
	}
	for _, name := range []string{
		"sale.update", "sale.update-api-1.0", "sale.update-picked-up", "sale.update-return", "product.update",
	} {
		s.Samples = append(s.Samples, sendertest.Sample{Name: name, Form: true})
	}
	return s
}

func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, suite(f)) }

// TestSignatures: Lightspeed's page leaves open what is signed and how the signature is written; each reading needs the secret.
func TestSignatures(t *testing.T) {
	t.Parallel()
	const key = "a client secret of the app"
	payload := `{"id":"1"}`
	form := []byte(url.Values{"payload": {payload}, "domain_prefix": {"shop"}}.Encode())
	s := lightspeed.New(lightspeed.Options{Store: "default", Keys: [][]byte{[]byte(key)}})
	for text, ok := range map[string]bool{
		"signature=" + hex.EncodeToString(mac(form, key)) + ",algorithm=HMAC-SHA256":                           true,
		"algorithm=hmac-sha256, signature=" + hex.EncodeToString(mac([]byte(payload), key)):                    true,
		"signature=" + base64.StdEncoding.EncodeToString(mac(form, key)) + ", algorithm=HMAC-SHA256":           true,
		"signature=" + base64.StdEncoding.EncodeToString(mac([]byte(payload), key)) + ",algorithm=HMAC-SHA256": true,
		"signature=" + hex.EncodeToString(mac(form, key)) + ",algorithm=HMAC-SHA1":                             false,
		"signature=" + hex.EncodeToString(mac(form, key)):                                                      false,
		hex.EncodeToString(mac(form, key)):                                                                     false,
		"signature=" + hex.EncodeToString(mac(form, "another secret of the app")) + ",algorithm=HMAC-SHA256":   false,
		"signature=,algorithm=HMAC-SHA256":                                                                     false, "": false,
	} {
		d := &sender.Delivery{Header: http.Header{"X-Signature": {text}}, Body: form}
		if err := s.Verify(d); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	posted := suite(t).Vectors[0]
	posted.Header.Set("X-Signature", "signature=0fc9571eda77bb1712bf9caa4139c14bdb62376cab034408592f4793a08d7e85,algorithm=HMAC-SHA256") // of the payload in it
	if err := lightspeed.New(lightspeed.Options{Keys: [][]byte{[]byte(posted.Key)}}).Verify(&sender.Delivery{Header: posted.Header, Body: posted.Body}); err != nil {
		t.Error(err)
	}
	// Nothing is signed where there is no payload.
	none := &sender.Delivery{Header: http.Header{"X-Signature": {"signature=" + hex.EncodeToString(mac(nil, key)) + ",algorithm=HMAC-SHA256"}}, Body: []byte("domain_prefix=shop")}
	if s.Verify(none) == nil {
		t.Error("the signature of nothing is let in")
	}
}

// TestStatuses: what each status says to a customer, in the words of API 1.0 and as a state with attributes.
func TestStatuses(t *testing.T) {
	t.Parallel()
	paid, created := "paid payment_complete", "created order_create"
	for _, tt := range []struct {
		status, state string
		settled       bool
		want          string
	}{
		{"CLOSED", `"closed"`, true, paid},
		{"ONACCOUNT_CLOSED", `"closed","attributes":["onaccount"]`, true, paid},
		{"LAYBY_CLOSED", `"closed","attributes":["layby"]`, true, paid},
		{"SERVICE_CLOSED", `"closed","register_sale_attributes":["service"]`, true, paid},
		{"DISPATCHED_CLOSED", `"closed","attributes":["onaccount","delivery"]`, true, paid + " status/shipped order_update"},
		{"PICKED_UP_CLOSED", `"closed","attributes":["pickup"]`, true, paid + " status/picked_up order_update"},
		{"AWAITING_PICKUP", `"pending","attributes":["pickup"]`, true, paid},
		{"AWAITING_DISPATCH", `"pending","attributes":["delivery"]`, false, created},
		{"SAVED", `"parked"`, false, created},
		{"OPEN", `"pending"`, false, created},
		{"LAYBY", `"pending","attributes":["layby"]`, true, created}, // a payment on account is no payment
		{"ONACCOUNT", `"pending","attributes":["onaccount"]`, true, created},
		{"VOIDED", `"voided"`, true, "cancelled order_cancel"},
		{"SOMETHING", `"something"`, true, ""},
	} {
		for _, member := range []string{`"status":"` + tt.status + `"`, `"state":` + tt.state} {
			toPay, paid := "30.00", "0.00"
			if tt.settled {
				toPay, paid = paid, toPay
			}
			body := `{"id":"1",` + member + `,"sale_date":"2026-11-20 17:00:00","created_at":"2026-11-20 17:00:01","updated_at":"2026-11-20 18:00:00","totals":{"total_price":"26.09","total_tax":3.91,"total_to_pay":"` +
				toPay + `","total_payment":"` + paid + `"}}`
			reading, err := lightspeed.New(lightspeed.Options{Store: "default"}).Decode(&sender.Delivery{Body: []byte(url.Values{"payload": {body}}.Encode()), At: sendertest.Now})
			if fault := sendertest.Check(reading, err); fault != nil {
				t.Errorf("%s: %v", member, fault)
				continue
			}
			var got []string
			for _, e := range reading.Events {
				got = append(got, strings.TrimPrefix(e.ID, "lightspeed/default/1/"), string(e.Type))
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("%s: %q, want %q", member, text, tt.want)
			}
		}
	}
}

// decode reads a sale of 17:00 that is closed, with other members.
func decode(t *testing.T, members string, form url.Values) *sender.Reading {
	t.Helper()
	body := `{"id":"1","status":"CLOSED","sale_date":"2026-11-20 17:00:00","created_at":"2026-11-20 17:00:01","updated_at":"2026-11-20 17:00:01","total_price":10,"total_tax":1` + members + `}`
	if form == nil {
		form = url.Values{}
	}
	form.Set("payload", body)
	reading, err := lightspeed.New(lightspeed.Options{Store: "default"}).Decode(&sender.Delivery{Body: []byte(form.Encode()), At: sendertest.Now})
	if fault := sendertest.Check(reading, err); fault != nil || err != nil {
		t.Fatalf("%s: %v, %v", members, fault, err)
	}
	return reading
}

// TestEdits: a sale that was paid long before an edit says nothing; one that was posted late by a till without a connection is new.
func TestEdits(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]sender.Skip{
		``: "", `,"updated_at":"2026-11-20 22:00:00"`: "", `,"updated_at":"2026-11-21 17:00:00"`: sender.SkipRepeat,
		`,"sale_date":"2026-11-20T03:00:00Z"`: "",
		`,"updated_at":"2026-11-25 17:00:00","register_sale_payments":[{"payment_date":"2026-11-20 17:00:00"},{"payment_date":"2026-11-25 16:59:00"}]`: "", // the last instalment
		`,"total_price":-10,"total_tax":-1,"updated_at":"2026-11-21 17:00:00"`:                                                                         sender.SkipRepeat,
		`,"status":"SAVED","updated_at":"2026-11-21 17:00:00"`:                                                                                         sender.SkipRepeat,
		`,"total_price":-10,"total_tax":-1,"status":"SAVED"`:                                                                                           sender.SkipState, `,"total_price":-10,"total_tax":-1,"status":"VOIDED"`: sender.SkipState,
		`,"deleted_at":"2026-11-20 17:00:00"`: sender.SkipState,
	} {
		if got := decode(t, members, nil).Skip; got != want {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
}

// TestReturns: what is paid back is a refund, and an exchange that costs something is a sale.
func TestReturns(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]struct {
		kind            event.Type
		total, refunded string
	}{
		`,"return_for":"0","total_price":-10.00,"total_tax":"-1.5"`: {event.RefundComplete, "", "11.50"},
		`,"total_price":-10.00,"total_tax":0`:                       {event.RefundComplete, "", "10.00"},
		`,"return_for":"0","total_price":5,"total_tax":0`:           {event.PaymentComplete, "5", ""},
		`,"return_for":"0","total_price":0,"total_tax":0`:           {event.PaymentComplete, "0", ""},
		`,"return_for":"0","total_price":"?"`:                       {event.RefundComplete, "", ""},
		`,"total_price":"?"`:                                        {event.PaymentComplete, "", ""},
	} {
		e := decode(t, members, nil).Events[0]
		if e.Type != want.kind || e.Sale.Total != want.total || e.Sale.Refunded != want.refunded {
			t.Errorf("%s: %s %q %q", members, e.Type, e.Sale.Total, e.Sale.Refunded)
		}
	}
}

// TestTopics: the form does not always name the topic; a payload that is no sale says nothing.
func TestTopics(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]sender.Skip{"": "", "sale.update": "", "product.update": sender.SkipTopic, "inventory.update": sender.SkipTopic} {
		if got := decode(t, "", url.Values{"type": {topic}}).Skip; got != want {
			t.Errorf("%s: %q", topic, got)
		}
	}
	s := lightspeed.New(lightspeed.Options{Store: "default"})
	for body, malformed := range map[string]bool{"": true, "payload=": true, "payload=%7B": true, "payload=[]": true, "domain_prefix=shop": true, "payload=%7B%7D": false, "type=product.update": false, "%": true} {
		if reading, err := s.Decode(&sender.Delivery{Body: []byte(body), At: time.Now()}); (err != nil) != malformed || sendertest.Check(reading, err) != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestCustomers: who is written to, by which number.
func TestCustomers(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]event.Customer{
		`,"customer":{"customer_code":"WALKIN","first_name":"Walk","email":"till@example.com"}`:                                  {},
		`,"customer":{"customer_code":"a","first_name":"Ann","last_name":"Lee","mobile":"021 1","phone":"09 2","email":"a@x"}`:   {Name: "Ann Lee", Phone: "021 1", Email: "a@x"},
		`,"customer":{"first_name":null,"phone":"09 2","contact":{"first_name":"Ann","email":"a@x","physical_country_id":"UK"}}`: {Name: "Ann", Phone: "09 2", Email: "a@x", Region: "GB"},
		`,"customer":null,"customer_name":"Vera Lund"`:                                                                           {Name: "Vera Lund"},
	} {
		if got := decode(t, members, nil).Events[0].Customer; got != want {
			t.Errorf("%s: %+v", members, got)
		}
	}
}
