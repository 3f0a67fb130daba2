package redisstore

import (
	"errors"
	"slices"
	"sync"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// each does something with every queue, side by side, so that one whose shard is down or slow keeps no other waiting.
func each(do func(message.Channel)) { eachOf(message.Queues, do) }

// eachOf does so with some of them.
func eachOf(queues []message.Channel, do func(message.Channel)) {
	var all sync.WaitGroup
	for _, channel := range queues {
		all.Go(func() { do(channel) })
	}
	all.Wait()
}

// fromEach asks every channel, and returns the answers of those that have one, in the order of the channels. The error is nil, a *queue.PartialError, or, where
// no channel has an answer, that of all of them.
func fromEach[A any](one func(message.Channel) (A, error)) ([]A, error) {
	answers, errs := map[message.Channel]A{}, map[message.Channel]error{}
	var mu sync.Mutex
	each(func(channel message.Channel) {
		answer, err := one(channel)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs[channel] = err
		} else {
			answers[channel] = answer
		}
	})
	var out []A
	for _, channel := range message.Queues {
		if answer, is := answers[channel]; is {
			out = append(out, answer)
		}
	}
	return out, partial(errs)
}

// partial makes one error of those of some channels; nil of none.
func partial(errs map[message.Channel]error) error {
	var missing []message.Channel
	var all []error
	for _, channel := range message.Queues {
		if err := errs[channel]; err != nil {
			missing = append(missing, channel)
			if !slices.ContainsFunc(all, func(known error) bool { return known.Error() == err.Error() }) {
				all = append(all, err)
			}
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case len(message.Queues):
		return errors.Join(all...)
	}
	return &queue.PartialError{Channels: missing, Err: errors.Join(all...)}
}
