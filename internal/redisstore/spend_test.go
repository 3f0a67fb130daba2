package redisstore

import (
	"maps"
	"slices"

	"ringup.dev/ringup/internal/queue"
)

func afterSpending(a *after) {
	for range 2 {
		a.enqueue("+15550100001")
		one := a.claim(a.consumer)[0]
		spent := queue.Settlement{Claimed: one, Outcome: queue.Done{Cost: queue.Cost{Event: "pos_save", Source: "till", Micros: 7900}}}
		a.settle(spent)
		a.want(len(a.settle(spent).Lost), 1) // settled already: it does not count again
	}
	got, err := a.consumer.Spent(a.Context())
	a.must(err)
	a.want(got[queue.CostTotal], 15800)
	a.want(slices.Sorted(maps.Keys(got)), []string{"event:pos_save|till", "source:till", "total"})
}
