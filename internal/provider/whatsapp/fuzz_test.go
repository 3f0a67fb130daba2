package whatsapp

import (
	"testing"

	"ringup.dev/ringup/internal/report/reporttest"
)

func FuzzParse(f *testing.F) {
	known := words(f)
	f.Add(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},` +
		`"statuses":[{"id":"a","status":"failed","timestamp":"1","errors":[{"code":131026}]}],"messages":[{"from":"12025550143","id":"b","text":{"body":"stop"}}]}}]}]}`)
	f.Add(`{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"user_preferences":[{"wa_id":"12025550143","category":"marketing_messages","value":"resume","timestamp":-1}]}}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		update, err := parse([]byte(body), known, received)
		if err != nil && reporttest.Answered(err) != 400 {
			t.Errorf("%v", err)
		}
		reporttest.Sound(t, update)
	})
}
