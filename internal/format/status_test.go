package format

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ status, key, readable string }{
		{"READY_FOR_PICKUP", "ready_for_pickup", "ready for pickup"},
		{"ready-for-pickup", "ready_for_pickup", "ready for pickup"},
		{"readyForPickup", "ready_for_pickup", "ready for pickup"},
		{"ReadyForPickup", "ready_for_pickup", "Ready for pickup"},
		{"  Ready  for pickup. ", "ready_for_pickup", "Ready for pickup"},
		{"Ready!", "ready", "Ready"},
		{"Ready!.", "ready", "Ready"},
		{"READY", "ready", "ready"},
		{"Prêt", "pret", "Prêt"},
		{"PRÊT", "pret", "prêt"},
		{"Gotów…", "gotow", "Gotów"},
		{"Wysłane", "wyslane", "Wysłane"},
		{"__READY__", "ready", "ready"},
		{"In 5 min.", "in_5_min", "In 5 min"},
		{"Ready (table 5)", "ready_table_5", "Ready (table 5)"},
		{"Ready - at the counter", "ready_at_the_counter", "Ready - at the counter"},
		{"Ｒｅａｄｙ", "ready", "Ｒｅａｄｙ"},
		{"準備完了。", "準備完了", "準備完了"},
		{"جاهز؟", "جاهز", "جاهز"},
		{"Не оплачён", "не_оплачен", "Не оплачён"},
		{"ΑΚΥΡΏΘΗΚΕ", "ακυρωθηκε", "ακυρώθηκε"},
		{"โอน แล้ว", "โอน_แลว", "โอน แล้ว"},
		{"!!!", "", ""},
		{"_", "", ""},
		{"", "", ""},
	} {
		if key, readable := StatusKey(tt.status), Readable(tt.status); key != tt.key || readable != tt.readable {
			t.Errorf("%q: %q, %q", tt.status, key, readable)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("READY_FOR_PICKUP")
	f.Add("ǅungla ΌΣΟΣ")
	key := regexp.MustCompile(`^([\p{L}\p{Nd}]+(_[\p{L}\p{Nd}]+)*)?$`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := StatusKey(s); !key.MatchString(got) || StatusKey(got) != got {
			t.Errorf("the key of %q is %q", s, got)
		}
		if got := Readable(s); utf8.ValidString(s) && (!utf8.ValidString(got) || regexp.MustCompile(`_|  |[.!?:;,…]$|^ | $`).MatchString(got)) {
			t.Errorf("%q is made readable as %q", s, got)
		}
	})
}
