package render

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ringup.dev/ringup/internal/format"
)

// vocabulary are the status words of a shop's own files, by what the files call them and by their names. nil is an empty one. Its methods know the built-in words, too.
type vocabulary map[string]string

// wordOf returns the word of a status key, or of a part of one.
func (own vocabulary) wordOf(key string) (string, bool) {
	if word, found := own[key]; found {
		return word, true
	}
	if word, found := aliases[key]; found {
		return word, true
	}
	if _, found := statusWords[key]; found {
		return key, true
	}
	if word, found := spoken()[key]; found {
		return word, true
	}
	return furtherWord(key)
}

// ownVocabulary returns the words of the files of TEMPLATES_DIR. A shop that has a word for a status of its own says that the status is nothing bad.
func (f *files) ownVocabulary() vocabulary {
	own := vocabulary{}
	for _, of := range f.words {
		for _, s := range of {
			if f.own[s] {
				own.add(s.text)
			}
		}
	}
	for _, name := range slices.Collect(maps.Values(own)) {
		own[name] = name
	}
	return own
}

// statusBlock is a status word in a file of words.
var statusBlock = regexp.MustCompile(`\{\{-?\s*define\s+"status\.([a-z0-9_]+)"\s*-?\}\}([^{]*)\{\{-?\s*end\s*-?\}\}`)

// spoken are the words of statuses by what the built-in languages call them: a till in Germany writes "abgelehnt". What two languages use for two things that
// differ is left out.
var spoken = sync.OnceValue(func() vocabulary {
	all := vocabulary{}
	files, _ := fs.Glob(builtIn, "templates/words.*.txt") // the pattern is valid
	for _, name := range files {
		text, _ := builtIn.ReadFile(name)
		all.add(string(text))
	}
	maps.DeleteFunc(all, func(_, word string) bool { return word == "" })
	return all
})

// add adds the status words of a file. What stands for two words that differ becomes "".
func (own vocabulary) add(file string) {
	for _, found := range statusBlock.FindAllStringSubmatch(file, -1) {
		for _, key := range genders(format.StatusKey(found[2])) {
			if other, known := own[key]; !known || other == found[1] || outcomes[found[1]] == canceled && outcomes[other] == voided {
				own[key] = found[1]
			} else if outcomes[other] != outcomes[found[1]] && outcomes[other] != canceled {
				own[key] = ""
			}
		}
	}
}

// genders returns a participle as Romance languages write it of a payment and of an order: cancelado and cancelada, annulé and annulée.
func genders(key string) []string {
	switch {
	case strings.HasSuffix(key, "ee"):
		return []string{key, key[:len(key)-1]}
	case strings.HasSuffix(key, "o"):
		return []string{key, key[:len(key)-1] + "a"}
	case strings.HasSuffix(key, "a"):
		return []string{key, key[:len(key)-1] + "o"}
	}
	return []string{key}
}

// statusWords are the names of the built-in status words, with the keys that mean the same: as Square, Shopify, Toast, Clover and WooCommerce write
// their states, and as people type them.
var statusWords = map[string]string{
	"received":           "new open created placed submitted initiated proposed order_received we_have_your_order",
	"confirmed":          "accepted approved acknowledged reserved locked",
	"scheduled":          "future planned",
	"preparing":          "in_progress in_preparation processing being_prepared in_kitchen in_the_kitchen sent started cooking making in_production working label_printed label_purchased packing packed being_packed",
	"on_hold":            "hold holded onhold paused needs_approval",
	"delayed":            "late",
	"ready":              "prepared order_ready all_ready ready_now",
	"ready_for_pickup":   "ready_for_pick_up ready_for_collection ready_to_collect ready_to_pick_up ready_to_pickup awaiting_pickup awaiting_collection readyforpickup pickup_ready",
	"picked_up":          "pickedup collected",
	"shipped":            "in_transit intransit dispatched shipping sent_out",
	"partially_shipped":  "partial partially_fulfilled partly_shipped partially_sent",
	"out_for_delivery":   "on_the_way on_its_way outfordelivery en_route driver_on_the_way",
	"delivery_attempted": "attempted_delivery attempted",
	"delivered":          "arrived",
	"completed":          "complete closed finished done fulfilled success succeeded successful ok",
	"cancelled":          "canceled cancel cancelation cancellation canceling cancelling annulled",
	"returned":           "return restocked",
	"pending":            "unpaid awaiting_payment waiting_for_payment pending_payment due waiting",
	"authorized":         "authorised auth authorization preauthorized pre_authorized preauth",
	"paid":               "captured paid_in_full fully_paid auth_completed payment_received payment_complete payment_completed received_payment settled cleared paye payee regle reglee",
	"partially_paid":     "partly_paid partial_payment part_paid",
	"failed":             "fail failure error errored unsuccessful",
	"declined":           "denied rejected refused not_approved insufficient_funds did_not_go_through not_authorized not_authorised nsf",
	"voided":             "void voiding reversed",
	"refunded":           "refund fully_refunded full_refund manually_refunded credited money_back",
	"partially_refunded": "partly_refunded partial_refund part_refunded",
	"expired":            "lapsed timed_out timeout",
}

// aliases are the keys of statusWords by the word that they stand for.
var aliases = func() map[string]string {
	all := map[string]string{}
	for word, keys := range statusWords {
		for key := range strings.FieldsSeq(keys) {
			all[key] = word
		}
	}
	return all
}()

// doubts are words that turn what stands beside them around, or that stand for trouble without saying how it ends.
var doubts = func() map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq("not no non never without unable cannot cant didnt wasnt request requested requests requires required incomplete " +
		"chargeback chargebacks chargedback back " +
		"nicht kein keine ohne pas ne sans sin niet geen nie nao sem degil inte ej ikke ei nem nu nije tidak belum khong chua не нет ні δεν μη לא لم لا غير ไม dispute disputed disputes reversal overdue uncaptured insufficient invalid blocked " +
		"abandoned fraud fraudulent suspected bounced retry retrying") {
		all[word] = true
	}
	return all
}()

// neutral are words that say nothing of how a sale or a payment has ended.
var neutral = func() map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq("sale sales sold pos till register counter table tab ticket bill check receipt receipted invoice invoiced transaction transactions trans txn " +
		"payment payments pay paying order orders purchase checkout checked out cash card chip swipe tap contactless visa mastercard maestro amex discover debit credit gift bank " +
		"transfer wire online web app store shop phone mobile apple google the and for with via from customer cashier staff manager server driver waiter item items total amount " +
		"balance tip charge charged processed posted final finalized finalised recorded registered saved stored synced printed emailed issued signed verified valid validated active " +
		"tendered dine takeaway takeout take away eat here togo pickup delivery drive thru through curbside side awaiting fulfillment fulfilment shipment courier normal standard " +
		"default regular live test yes true good fine great thanks thank you unknown status state type code number auth tax note") {
		all[word] = true
	}
	return all
}()

// minWord is the length of the shortest word that a status is judged by, in bytes: shorter ones are codes in the letters of Latin, and words in those of Chinese.
const minWord = 3

// strange says that a part of a status key is a word that this package does not know.
func strange(part string) bool {
	return len(part) >= minWord && !neutral[part] && !doubts[part] && strings.Trim(part, "0123456789") != ""
}
