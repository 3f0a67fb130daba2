package redisstore

import (
	"context"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// operateBatch bounds how many jobs one script changes, so that none holds Redis for more than some milliseconds.
const operateBatch = 200

// operateArgs are the arguments of operate.lua.
type operateArgs struct {
	Queue     [4]string     `key:"queue"`
	Set       string        `key:"jobs"`
	Wake      string        `key:"wake"`
	Base      string        `lua:"base"`
	StatusTTL time.Duration `lua:"status_ttl"`
	Retry     bool          `lua:"retry"` // otherwise they are deleted
	Line      string        `lua:"line"`
	LastError string        `lua:"last_error"`
	Jobs      [][]byte      `lua:"job"`
}

// operateAnswer is the answer of operate.lua.
type operateAnswer struct {
	Changed int `lua:"changed"`
}

// Retry puts failed, scheduled and retrying jobs back to their lists, by their age, with their attempts at zero. It returns how many were still
// where they were seen; the others stay as they are. by is for people. Errors: queue.ErrUnavailable, and jobs of another state.
func (s *Store) Retry(ctx context.Context, jobs []queue.Stored, by string) (int, error) {
	return s.change(ctx, true, "retried", by, jobs)
}

// Delete removes failed, completed, scheduled and retrying jobs. It returns how many were still where they were seen. by is for people.
// Errors: queue.ErrUnavailable, and jobs of another state.
func (s *Store) Delete(ctx context.Context, jobs []queue.Stored, by string) (int, error) {
	return s.change(ctx, false, "deleted", by, jobs)
}

func (s *Store) change(ctx context.Context, retry bool, state, by string, jobs []queue.Stored) (changed int, err error) {
	for len(jobs) > 0 {
		// The first jobs of one channel and state.
		n := 1
		for n < len(jobs) && n < operateBatch && jobs[n].Channel == jobs[0].Channel && jobs[n].State == jobs[0].State {
			n++
		}
		k := s.keys[jobs[0].Channel]
		set := map[queue.State]string{queue.Failed: k.Failed, queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.Completed: k.Completed}[jobs[0].State]
		if set == "" || retry && jobs[0].State == queue.Completed {
			return changed, fmt.Errorf("a job that is %s cannot be %s", jobs[0].State, state)
		}
		args := operateArgs{Queue: k.Queue, Set: set, Wake: k.Wake, Base: k.Base, StatusTTL: s.config.StatusTTL, Retry: retry,
			Line: lineBy(state, by), LastError: state + " by " + by}
		for _, one := range jobs[:n] {
			args.Jobs = append(args.Jobs, one.Raw)
		}
		var answer operateAnswer
		if err := s.ask(ctx, &s.scripts.operate, &args, &answer); err != nil {
			return changed, err
		}
		changed += answer.Changed
		jobs = jobs[n:]
	}
	return changed, nil
}

// purgeArgs are the arguments of purge.lua.
type purgeArgs struct {
	List      string        `key:"jobs"`
	Base      string        `lua:"base"`
	StatusTTL time.Duration `lua:"status_ttl"`
	Line      string        `lua:"line"`
	Max       int           `lua:"max"`
}

// purgeAnswer is the answer of purge.lua.
type purgeAnswer struct {
	Deleted int `lua:"deleted"`
}

// Purge deletes up to operateBatch waiting jobs of a priority (1 to 4), the oldest first, and returns how many; 0 says that none is left. by is
// for people. Errors: queue.ErrUnavailable.
func (s *Store) Purge(ctx context.Context, channel message.Channel, priority int, by string) (int, error) {
	k := s.keys[channel]
	var answer purgeAnswer
	err := s.ask(ctx, &s.scripts.purge, &purgeArgs{List: k.Queue[priority-1], Base: k.Base, StatusTTL: s.config.StatusTTL,
		Line: lineBy("deleted", by), Max: operateBatch}, &answer)
	return answer.Deleted, err
}

// lineBy is a line for a job's log about what an operator did.
func lineBy(state, by string) string {
	return logEntry{At: time.Now().UnixMilli(), State: state, Error: "by " + by}.String()
}
