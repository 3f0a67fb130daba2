package redisstore

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// What the enqueue script knows of a sale is in lua/sale.lua; docs/decisions/0018 has the rules.

// ofSale is what is added to the place in a webhook's shape where its event is of a sale.
const ofSale = 128

// saleKinds are the kinds of a sale's events in Lua; other types are of no sale.
var saleKinds = map[event.Type]string{
	event.OrderCreate: "c", event.OrderUpdate: "u", event.OrderCancel: "x", event.PaymentComplete: "p", event.RefundComplete: "p",
}

// sale returns what the enqueue script needs to know of the sale that an event belongs to, for the channels of one slot; nil where it is of none: it has no order id, or
// no time to go by.
func (s *Store) sale(w *queue.Submission, slot int) []any {
	e := w.Event
	kind, follows := saleKinds[e.Type]
	if !follows || e.Sale.OrderID == "" || w.HappenedAt.IsZero() {
		return nil
	}
	name, source := sha256.Sum256([]byte(e.Store+"\x00"+e.Sender+"\x00"+e.Sale.OrderID)), sha256.Sum256([]byte(e.Source))
	key := s.keys[s.slots[slot][0]].Base + ":sale:" + hex.EncodeToString(name[:fieldBytes])
	return []any{key, kind, hex.EncodeToString(source[:4]), w.HappenedAt.UnixMilli(), w.Coalesce.Milliseconds()}
}

// saleMetrics count what did not go out because a later event of its sale says more.
type saleMetrics struct{ superseded, stale *prometheus.CounterVec }

func newSaleMetrics(reg prometheus.Registerer) saleMetrics {
	m := saleMetrics{
		superseded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_superseded_total", Help: "Waiting messages whose place a later event of the same sale took (WEBHOOK_COALESCE, COALESCE).",
		}, []string{"channel"}),
		stale: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_stale_total", Help: "Messages that were not queued, because their event is older than one that was accepted for the same sale.",
		}, []string{"channel"}),
	}
	reg.MustRegister(m.superseded, m.stale)
	for _, channel := range message.Channels {
		m.superseded.WithLabelValues(string(channel)) // 0 from the start
		m.stale.WithLabelValues(string(channel))
	}
	return m
}

// takeStale moves the messages that the enqueue script has not added from the acceptance's jobs to its stale ones. answer has four values for each.
func (p *Producer) takeStale(slot int, members []*pending, answer *enqueueAnswer) {
	channels := p.store.slots[slot]
	for i, n := range answer.Superseded {
		if n > 0 {
			p.sales.superseded.WithLabelValues(string(channels[i])).Add(float64(n))
		}
	}
	for row := answer.Stale; len(row) >= 4; row = row[4:] {
		webhook, _ := row[0].(int64)
		channel, _ := row[1].(int64)
		number, _ := row[2].(int64)
		by, _ := row[3].(string)
		item, c := members[webhook-1], channels[channel-1]
		id := job.ID(item.submission.Event.ID, c, item.place(slot)*placeSpan+int(number))
		for j, one := range item.acceptance.Jobs {
			if one.ID == id {
				item.acceptance.Jobs = append(item.acceptance.Jobs[:j:j], item.acceptance.Jobs[j+1:]...)
				item.acceptance.Stale = append(item.acceptance.Stale, queue.Stale{Accepted: one, By: by})
				break
			}
		}
		p.sales.stale.WithLabelValues(string(c)).Inc()
	}
}
