package failure_test

import (
	"encoding/json"
	"testing"

	"ringup.dev/ringup/internal/failure"
)

// TestNumber: a code is the same as a number, a text or a float; anything else is no code, and takes nothing else along.
func TestNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]failure.Number{
		"131026": {Value: 131026, Given: true}, `"131026"`: {Value: 131026, Given: true}, "131026.0": {Value: 131026, Given: true}, "1.31026e5": {Value: 131026, Given: true},
		`" 21211 "`: {Value: 21211, Given: true}, "0": {Given: true}, "-1": {Value: -1, Given: true},
		"null": {}, `""`: {}, `"abc"`: {}, "131026.5": {}, "true": {}, "[131026]": {}, `{"code":1}`: {}, "1e300": {}, `"NaN"`: {}, `"Inf"`: {}, `"0x"`: {},
	} {
		var got struct {
			Code  failure.Number `json:"code"`
			Other string         `json:"other"`
		}
		if err := json.Unmarshal([]byte(`{"code":`+text+`,"other":"read"}`), &got); err != nil || got.Code != want || got.Other != "read" {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}
