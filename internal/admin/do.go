package admin

import (
	"context"
	"crypto/rand"
	"math"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

const (
	// maxJobs is how many jobs one retry or delete changes at most; as many as KEEP_FAILED keeps in production.
	maxJobs = 10_000
	// maxPurge is how many waiting jobs one purge deletes at most, so that it ends within a request.
	maxPurge = 100_000
)

// Do carries an action out and records it in the audit log. It returns how many jobs were changed, and whether there are more, for another
// call: it stopped at the most that one call changes. An action that breaks off returns an error with the number so far.
func (a *Admin) Do(ctx context.Context, x *Action) (n int, more bool, err error) {
	if err := a.mayChange(); err != nil {
		return 0, false, err
	}
	if err := x.Validate(); err != nil {
		return 0, false, err
	}
	by, changed := Operator(ctx), false
	if x.Name == ActionSendAgain && x.Once == "" {
		x.Once = rand.Text()
	}
	switch x.Name {
	case ActionRetry, ActionDelete:
		var jobs []queue.Stored
		if jobs, more, err = a.jobs(ctx, x); err != nil {
			return 0, false, err
		}
		if x.Name == ActionRetry {
			n, err = a.Queues.Retry(ctx, jobs, by)
		} else {
			n, err = a.Queues.Delete(ctx, jobs, by)
		}
		changed = maybe(err)
	case ActionPurge:
		n, more, err = a.purge(ctx, x, by)
		changed = maybe(err)
	case ActionSendAgain:
		n, err = a.sendAgain(ctx, x)
		changed = maybe(err)
	case ActionPause:
		changed, err = a.pause(ctx, x, by)
	case ActionResume:
		changed, err = a.resume(ctx, x)
	case ActionOpenBreaker, ActionCloseBreaker:
		changed, err = a.breaker(ctx, x, by)
	}
	if n > 0 || changed { // what changed nothing would push out what did
		a.audit(ctx, queue.AuditEntry{Action: x.Name, Channel: x.Channel, Target: x.target(), Count: n, Why: x.Why})
	}
	return n, more, brokeOff(err)
}

// maxExamples is how many of the jobs a dry run shows.
const maxExamples = 3

// DryRun says how many jobs an action would change, whether there are more than one call of Do changes, and shows the first; 0 for one that changes no jobs.
func (a *Admin) DryRun(ctx context.Context, x *Action) (*ActionResult, error) {
	if err := x.Validate(); err != nil {
		return nil, err
	}
	out := &ActionResult{Action: x.Name, Channel: x.Channel, DryRun: true}
	switch x.Name {
	case ActionSendAgain:
		k, err := a.completed(ctx, x)
		if err != nil {
			return nil, err
		}
		out.Jobs = 1
		out.Examples, err = a.withProviders(ctx, []queue.Stored{*k})
		return out, err
	case ActionRetry, ActionDelete:
		jobs, more, err := a.jobs(ctx, x)
		if err != nil {
			return nil, err
		}
		out.Jobs, out.More = len(jobs), more
		out.Examples, err = a.withProviders(ctx, jobs[:min(maxExamples, len(jobs))])
		return out, err
	case ActionPurge:
		state, err := a.Queues.State(ctx, x.Channel)
		if err != nil {
			return nil, err
		}
		out.Jobs = int(total(state, queue.Waiting, x.Priority))
	}
	return out, nil
}

// jobs collects the jobs of a retry or a delete: those that are named, or the first maxJobs of a state that match, and says whether more do. It
// looks through all jobs of the state, since a match may be the last of them. Of jobs that are named with their state, those that are not in it any more are
// passed over.
func (a *Admin) jobs(ctx context.Context, x *Action) (out []queue.Stored, more bool, err error) {
	if len(x.IDs) > 0 && x.State == "" {
		for _, id := range x.IDs {
			k, err := a.named(ctx, x, id)
			if err != nil {
				return nil, false, err
			}
			out = append(out, *k)
		}
		return out, false, nil
	}
	wanted := map[string]bool{}
	for _, id := range x.IDs {
		wanted[id] = true
	}
	matches, named := a.matcher(x.Filter), len(wanted) > 0
	_, err = a.each(ctx, &ListRequest{Channel: x.Channel, State: x.State, Filter: x.Where}, 0, math.MaxInt, func(list []queue.Stored) (done bool, err error) {
		if x.Filter != "" {
			if list, err = a.Queues.Matching(ctx, list, matches); err != nil {
				return true, err
			}
		}
		for _, k := range list {
			if named && (k.Job == nil || !wanted[k.Job.ID()]) {
				continue
			}
			if len(out) == maxJobs {
				more = true
				return true, nil
			}
			if out = append(out, k); named {
				delete(wanted, k.Job.ID())
			}
		}
		return named && len(wanted) == 0, nil
	})
	return out, more, err
}

// named finds a job by its id, and refuses one that is not in the queue, or in a state in which it cannot be changed.
func (a *Admin) named(ctx context.Context, x *Action, id string) (*queue.Stored, error) {
	webhookID, _, _, err := job.ParseID(id)
	if err != nil {
		return nil, err
	}
	var accepted time.Time // found faster when it is known
	if n, err := a.Queues.Notifications(ctx, webhookID); err == nil {
		accepted = n.AcceptedAt
	}
	k, err := a.Queues.Locate(ctx, id, accepted)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, refuse("job %s is not in the queue any more", id)
	}
	if !slices.Contains(changeable, k.State) && (k.State != queue.Completed || x.Name != ActionDelete) {
		return nil, refuse("job %s is %s: that cannot be changed", id, StateName(k.State))
	}
	return k, nil
}

// purge deletes waiting jobs, and says whether it stopped at maxPurge.
func (a *Admin) purge(ctx context.Context, x *Action, by string) (n int, more bool, err error) {
	for p := 1; p <= 4; p++ {
		if x.Priority != 0 && x.Priority != p {
			continue
		}
		for {
			deleted, err := a.Queues.Purge(ctx, x.Channel, p, by)
			n += deleted
			if err != nil || n >= maxPurge {
				return n, err == nil, err
			}
			if deleted == 0 {
				break
			}
		}
	}
	return n, false, nil
}

// pause pauses a channel, unless it is paused by the same operator for the same reason. As with all changes, changed is true with an error where
// the change may have been made.
func (a *Admin) pause(ctx context.Context, x *Action, by string) (changed bool, err error) {
	state, err := a.Queues.State(ctx, x.Channel)
	if err != nil {
		return false, err
	}
	why := clip(x.Why, maxWhy)
	if h := state.Halted; h.Kind == queue.HaltedPause && strings.HasPrefix(h.Why, "by "+by+" at ") && (why == "" || strings.HasSuffix(h.Why, ": "+why)) {
		return false, nil
	}
	return true, a.Queues.Pause(ctx, x.Channel, by, why)
}

// resume resumes a channel that is paused.
func (a *Admin) resume(ctx context.Context, x *Action) (changed bool, err error) {
	state, err := a.Queues.State(ctx, x.Channel)
	if err != nil || state.Halted.Kind != queue.HaltedPause {
		return false, err
	}
	return true, a.Queues.Resume(ctx, x.Channel)
}

// breaker opens or closes a provider's breaker, unless it is as asked for: a breaker that opened by itself is not, since it would close by itself.
func (a *Admin) breaker(ctx context.Context, x *Action, by string) (changed bool, err error) {
	state, err := a.Queues.State(ctx, x.Channel)
	if err != nil {
		return false, err
	}
	providers := Providers(state)
	if !slices.Contains(providers, x.Provider) {
		return false, refuse("no worker of %s uses the provider %q", x.Channel, x.Provider)
	}
	b, known := state.Breakers[x.Provider]
	if x.Name == ActionCloseBreaker {
		if !known {
			return false, nil
		}
		return true, a.Queues.CloseBreaker(ctx, x.Channel, x.Provider)
	}
	if b.State == queue.BreakerOpen && b.Reason == "opened by "+by {
		return false, nil
	}
	others := slices.DeleteFunc(providers, func(name string) bool {
		b, known := state.Breakers[name]
		return name == x.Provider || known && b.State == queue.BreakerOpen
	})
	return true, a.Queues.OpenBreaker(ctx, x.Channel, x.Provider, by, len(others) == 0)
}

// ChangesScheduled says whether an action is about scheduled jobs, which the gate looks at again.
func (a *Admin) ChangesScheduled(ctx context.Context, x *Action) (bool, error) {
	if len(x.IDs) == 0 || x.State != "" {
		return x.State == queue.Scheduled, nil
	}
	for _, id := range x.IDs {
		k, err := a.Queues.Locate(ctx, id, time.Time{})
		if err != nil || k != nil && k.State == queue.Scheduled {
			return err == nil, err
		}
	}
	return false, nil
}
