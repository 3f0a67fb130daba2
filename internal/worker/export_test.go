package worker

import "ringup.dev/ringup/internal/queue"

// Update takes the states of the breakers, as after a settlement.
func (b *Breakers) Update(states map[string]queue.BreakerState) { b.update(states) }
