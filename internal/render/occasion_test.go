package render

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// TestOccasions is the table of what events are about, with statuses as tills write them.
func TestOccasions(t *testing.T) {
	t.Parallel()
	const p, r, s, c, u, x = event.PaymentComplete, event.RefundComplete, event.POSSave, event.OrderCreate, event.OrderUpdate, event.OrderCancel
	for _, tt := range []struct {
		kind   event.Type
		status string
		total  string
		want   occasion
	}{
		{p, "", "20", paymentComplete}, {p, "PAID", "20", paymentComplete}, {p, "COMPLETED", "20", paymentComplete}, {p, "captured", "", paymentComplete},
		{p, "partially_paid", "20", paymentComplete}, {p, "success", "20", paymentComplete}, {p, "something else", "20", orderUpdate}, {p, "SALE", "20", paymentComplete}, {p, "00", "20", paymentComplete}, {p, "", "-0.00", paymentComplete},
		{p, "", "-20", refundComplete}, {p, "paid", "-20.00", refundComplete}, {p, "refunded", "20", refundComplete}, {p, "PARTIALLY_REFUNDED", "20", refundComplete},
		{p, "pending", "20", paymentPending}, {p, "AUTHORIZED", "20", paymentPending}, {p, "pending", "-20", refundPending}, {p, "failed", "-20", refundFailed},
		{p, "failed", "20", paymentFailed}, {p, "DECLINED", "20", paymentFailed}, {p, "Denied", "20", paymentFailed}, {p, "FAIL", "20", paymentFailed},
		{p, "payment_failed", "20", paymentFailed}, {p, "card declined", "20", paymentFailed}, {p, "expired", "20", paymentFailed},
		{p, "VOIDED", "20", paymentVoided}, {p, "void", "-20", paymentVoided}, {p, "CANCELED", "20", paymentVoided}, {p, "cancelled", "20", paymentVoided},
		{p, "refund_pending", "20", refundPending}, {p, "Refund failed", "20", refundFailed},
		{r, "", "", refundComplete}, {r, "refunded", "", refundComplete}, {r, "COMPLETED", "", refundComplete}, {r, "cancelled", "", refundComplete},
		{r, "PENDING", "", refundPending}, {r, "REJECTED", "", refundFailed}, {r, "failed", "", refundFailed}, {r, "refund_failed", "", refundFailed},
		{s, "ready", "20", posSave}, {s, "", "", posSave}, {s, "", "-20", refundComplete}, {s, "refunded", "20", refundComplete}, {s, "failed", "20", paymentFailed},
		{s, "voided", "20", paymentVoided}, {s, "cancelled", "20", orderCancel}, {s, "pending", "20", orderUpdate},
		{c, "received", "20", orderCreate}, {c, "OPEN", "20", orderCreate}, {c, "ready", "20", orderCreate}, {c, "pending", "20", orderCreate}, {c, "", "-20", orderCreate},
		{c, "cancelled", "20", orderCancel}, {c, "voided", "20", orderCancel}, {c, "payment_declined", "20", paymentFailed}, {c, "rejected", "20", orderUpdate},
		{c, "refunded", "20", refundComplete},
		{u, "ready", "20", orderUpdate}, {u, "paid", "20", orderUpdate}, {u, "failed", "20", orderUpdate}, {u, "payment failed", "20", paymentFailed},
		{u, "Order cancelled", "20", orderCancel}, {u, "CANCELLED", "20", orderCancel}, {u, "payment_voided", "20", paymentVoided}, {u, "refunded", "20", refundComplete},
		{u, "refund_pending", "20", refundPending}, {u, "whatever", "20", orderUpdate}, {u, "payment_received", "20", orderUpdate},
		// Whatever a till adds to a known word.
		{p, "DECLINED: do not honor", "20", paymentFailed}, {p, "payment_failed_insufficient_funds", "20", paymentFailed}, {p, "processor_declined", "20", paymentFailed},
		{p, "Error 51", "20", paymentFailed}, {s, "voided by cashier", "20", paymentVoided}, {s, "Cancelled by customer", "20", orderCancel}, {p, "pending review", "20", paymentPending},
		{p, "refunded to card", "20", refundComplete}, {p, "auto_cancelled", "20", paymentVoided}, {c, "cancelled by customer", "20", orderCancel},
		{p, "paid, pickup pending", "20", paymentComplete}, {p, "completed, no tip", "20", paymentComplete}, {s, "ready, not cut", "20", posSave}, {p, "processing", "20", paymentComplete},
		{p, "not paid", "20", orderUpdate}, {p, "not_cancelled", "20", orderUpdate}, {p, "authorization_failed", "20", orderUpdate}, {p, "chargeback", "20", orderUpdate}, {p, "charged back", "20", orderUpdate}, {p, "charged", "20", paymentComplete},
		{p, "Awaiting Fulfillment", "20", paymentComplete}, {p, "Awaiting Payment", "20", paymentPending},
		{s, "cancellation requested", "20", orderUpdate}, {p, "cancelled and refunded", "20", orderUpdate}, {p, "requires_payment_method", "20", orderUpdate},
		{p, "returned", "20", orderUpdate}, {s, "returned", "20", orderUpdate}, {p, "returned", "-20", refundComplete}, {p, "refund processed", "20", orderUpdate},
		{u, "Cancelled items replaced", "20", orderUpdate}, {u, "not paid", "20", orderUpdate}, {u, "returned", "20", orderUpdate}, {x, "not paid", "20", orderCancel},
		// How far a payment or a refund is.
		{p, "payment_processing", "20", paymentPending}, {p, "payment_initiated", "20", paymentPending}, {p, "payment_on_hold", "20", paymentPending}, {p, "payment_received", "20", paymentComplete},
		{p, "payment_confirmed", "20", paymentComplete}, {u, "payment_in_progress", "20", paymentPending},
		{r, "refund_in_progress", "", refundPending}, {r, "processing", "", refundPending}, {r, "on hold", "", refundPending}, {r, "received", "", refundComplete}, {p, "paid: false", "20", orderUpdate}, {p, "NSF", "20", paymentFailed}, {r, "refund_approved", "", refundPending}, {u, "refund_scheduled", "20", refundPending}, {p, "refund_initiated", "20", refundPending},
		{r, "refund_cancelled", "", refundFailed}, {u, "refund_voided", "20", refundFailed}, {r, "refund_completed", "", refundComplete}, {r, "refund_processed", "", refundComplete},
		{r, "refund_requested", "", orderUpdate}, {r, "not refunded", "", orderUpdate}, {r, "returned", "", refundComplete}, {r, "refunded to card", "", refundComplete},
		// The words of the built-in languages.
		{p, "abgelehnt", "20", paymentFailed}, {p, "Zahlung fehlgeschlagen", "20", paymentFailed}, {p, "storniert", "20", paymentVoided}, {s, "Storniert", "20", orderCancel},
		{p, "erstattet", "20", refundComplete}, {p, "nicht bezahlt", "20", orderUpdate}, {p, "bezahlt", "20", paymentComplete}, {p, "annulé", "20", paymentVoided},
		{s, "Annulée", "20", orderCancel}, {p, "refusé", "20", paymentFailed}, {p, "remboursement effectué", "20", refundComplete}, {p, "échec du paiement", "20", paymentFailed}, {s, "cancelada", "20", orderCancel}, {p, "cancelado", "20", paymentVoided},
		{p, "rechazada", "20", paymentFailed}, {p, "no pagado", "20", orderUpdate}, {p, "Pago rechazado", "20", paymentFailed}, {p, "pago", "20", paymentComplete}, {p, "Pago pendiente", "20", paymentPending},
		{s, "ON_HOLD", "20", orderUpdate}, {p, "on-hold", "20", orderUpdate}, {c, "on hold", "20", orderCreate}, {c, "not paid", "20", orderCreate}, {p, "pendiente", "20", paymentPending}, {p, "rimborsato", "20", refundComplete},
		{p, "geweigerd", "20", paymentFailed}, {p, "reembolsado", "20", refundComplete}, {u, "versandt", "20", orderUpdate}, {p, "キャンセル済み", "20", paymentVoided}, {p, "已退款", "20", refundComplete}, {s, "تم الإلغاء", "20", orderCancel}, {p, "تم الرفض", "20", paymentFailed},
		// Of languages that are not built in, and of any other.
		{p, "zamítnuto", "20", paymentFailed}, {p, "Odmítnuta", "20", paymentFailed}, {p, "отклонён банком", "20", paymentFailed}, {p, "ΑΠΟΡΡΊΦΘΗΚΕ", "20", paymentFailed}, {p, "הכרטיס נדחה", "20", paymentFailed},
		{p, "거절됨", "20", paymentFailed}, {p, "ditolak", "20", paymentFailed}, {p, "hylätty", "20", paymentFailed}, {p, "Avvist: 05", "20", paymentFailed}, {s, "Peruttu", "20", orderCancel}, {p, "ยกเลิกแล้ว", "20", paymentVoided},
		{p, "đã hủy", "20", paymentVoided}, {p, "čeká na platbu", "20", paymentPending}, {p, "не оплачено", "20", paymentPending}, {p, "оплачена", "20", paymentComplete}, {p, "Zaplaceno", "20", paymentComplete},
		{p, "betalt", "20", paymentComplete}, {p, "ikke betalt", "20", orderUpdate}, {p, "結帳失敗", "20", orderUpdate}, {p, "imekataliwa", "20", orderUpdate}, {s, "imekataliwa", "20", orderUpdate}, {r, "imekataliwa", "", orderUpdate},
		{p, "возврат", "20", orderUpdate}, {p, "환불 대기", "20", orderUpdate}, {p, "Visa отказано", "20", paymentFailed}, {c, "imekataliwa", "20", orderCreate}, {p, "validation failed", "20", paymentFailed},
		{p, "payer_action_required", "20", orderUpdate}, {p, "réglée", "20", paymentComplete}, {p, "Charged to card", "20", paymentComplete}, {p, "dine-in", "20", paymentComplete}, {p, "決済完了", "20", paymentComplete},
		{x, "", "20", orderCancel}, {x, "refunded", "20", orderCancel}, {x, "ready", "-20", orderCancel}, {x, "refund_pending", "20", refundPending},
	} {
		e := &event.Event{Type: tt.kind, Sale: event.Sale{Status: tt.status, Total: tt.total}}
		if got, known := occasionOf(e, readStatus(tt.status, nil)); got != tt.want || !known {
			t.Errorf("%s, %q, %q: %s, want %s", tt.kind, tt.status, tt.total, got, tt.want)
		}
	}
	if _, known := occasionOf(&event.Event{Type: "stock_low"}, status{}); known {
		t.Error("a type that is not known has an occasion")
	}
	for _, about := range occasions {
		if e := sampleOf(about); e == nil {
			t.Errorf("%s has no sample", about)
		} else if got, _ := occasionOf(e, readStatus(e.Sale.Status, nil)); got != about {
			t.Errorf("the sample of %s is of %s", about, got)
		}
		if emoji[about] == "" {
			t.Errorf("%s has no emoji", about)
		}
	}
}

// allStatuses are every status that is known, some that are not, and none.
func allStatuses() []string {
	all := []string{"", "weird_state", "Ready!", "ready.", "wird zubereitet"}
	for word, keys := range statusWords {
		all = append(all, word, strings.ToUpper(word), strings.ReplaceAll(word, "_", " "))
		all = append(all, strings.Fields(keys)...)
		for _, p := range prefixes {
			all = append(all, p.text+word)
		}
	}
	return all
}

// TestTextsSayWhatThePayloadSays: every type with every status, sign, channel and audience. What was not paid is not thanked for or called received, money
// that goes back has no minus, and nothing is promised.
func TestTextsSayWhatThePayloadSays(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	seen := map[occasion]bool{}
	for _, kind := range event.Types {
		for _, status := range allStatuses() {
			for _, total := range []string{"20.00", "-20.00", ""} {
				e := sample(kind, func(e *event.Event) {
					e.Sale.Status, e.Sale.Total, e.Sale.Refunded = status, total, ""
					e.Items = []event.Item{{Name: "Latte", Quantity: "1", UnitPrice: total}}
				})
				about, _ := occasionOf(e, readStatus(status, nil))
				seen[about] = true
				for _, channel := range message.Channels {
					for _, audience := range message.Audiences {
						m := rendered(t, r, channel, audience, e)
						all := strings.ToLower(m.Subject + "\n" + m.Text + "\n" + m.HTML)
						if thanks := strings.Contains(all, "thank"); thanks && about != paymentComplete && about != posSave {
							t.Errorf("%s, %q, %q: thanks for a %s: %s", kind, status, total, about, m.Text)
						}
						if strings.Contains(all, "received") && readStatus(status, nil).word != "received" && about != paymentComplete {
							t.Errorf("%s, %q, %q: %s", kind, status, total, m.Text)
						}
						if (about == refundPending || about == refundFailed) && (strings.Contains(m.Text, "Refunded") || strings.Contains(m.HTML, "Refunded")) {
							t.Errorf("%s, %q, %q: refunded by a %s: %s", kind, status, total, about, m.Text)
						}
						if about.refunds() != strings.Contains(all, "refund of") && total == "-20.00" || about.refunds() && strings.Contains(all, "-$") {
							t.Errorf("%s, %q, %q: %s", kind, status, total, m.Text)
						}
						for _, flaw := range []string{"we will", "no value", "%!", "!.", "..", " .", " ,", "hi ,", "()", ": ."} {
							if strings.Contains(strings.ToLower(m.Subject+"\n"+m.Text), flaw) {
								t.Errorf("%s, %q, %q: %q in %s", kind, status, total, flaw, m.Text)
							}
						}
					}
				}
			}
		}
	}
	for _, about := range occasions {
		if !seen[about] {
			t.Errorf("no event is about %s", about)
		}
	}
}

// TestStatusWords: what tills write for machines is written for people.
func TestStatusWords(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for status, want := range map[string]string{
		"READY_FOR_PICKUP": "is now: ready for pickup.", "readyForPickup": "is now: ready for pickup.", "Ready!": "is now: ready.", "in_transit": "is now: shipped.",
		"IN_PROGRESS": "is now: being prepared.", "out for delivery": "is now: out for delivery.", "WAITING_FOR_COURIER": "is now: waiting for courier.",
		"Wird zubereitet.": "is now: Wird zubereitet.", "": "was updated.", "order_ready": "is now: ready.", "Your order is ready": "is now: ready.",
	} {
		e := sample(event.OrderUpdate, func(e *event.Event) { e.Sale.Status = status })
		if m := rendered(t, r, message.SMS, message.Customer, e); m.Text != "Luna Coffee: Hi John Doe, your order ORD_1 "+want {
			t.Errorf("%q: %q", status, m.Text)
		}
	}
	e := sample(event.OrderUpdate, func(e *event.Event) { e.Sale.Status = "READY_FOR_PICKUP" })
	if m := rendered(t, r, message.Email, message.Customer, e); m.Subject != "Your order ORD_1: ready for pickup" {
		t.Errorf("%q", m.Subject)
	}
	words := setsOf(t, english)[key{orderUpdate, message.SMS, "customer", english}].words
	for word := range statusWords {
		if words.statuses[word] == "" {
			t.Errorf("there is no block status.%s", word)
		}
	}
	for _, word := range methods {
		if words.methods[word] == "" {
			t.Errorf("there is no block payment.%s", word)
		}
	}
	for word, is := range outcomes {
		if _, found := statusWords[word]; !found || is == settled {
			t.Errorf("the outcome of %s is of no word", word)
		}
	}
}
