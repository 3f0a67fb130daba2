package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// action is something that an operator asks for. The pages and the API both make one of what they are sent.
type action struct {
	Name     string          `json:"action"`
	Channel  message.Channel `json:"channel"`
	IDs      []string        `json:"ids,omitempty"`    // of jobs: retry, delete
	State    queue.State     `json:"place,omitempty"`  // retry, delete: of all in a place that match
	Filter   string          `json:"filter,omitempty"` // a text that is in their payload, recipient or error
	Priority int             `json:"priority,omitempty"`
	Provider string          `json:"provider,omitempty"` // open, close
	Why      string          `json:"why,omitempty"`

	person string // forget: masked
}

// The actions.
const (
	actRetry  = "retry"
	actDelete = "delete"
	actPause  = "pause"
	actResume = "resume"
	actPurge  = "purge"
	actOpen   = "open-breaker"
	actClose  = "close-breaker"
)

var actions = []string{actRetry, actDelete, actPause, actResume, actPurge, actOpen, actClose}

// maxJobs is how many jobs one action takes at most; as many as KEEP_FAILED keeps in production.
const maxJobs = 10_000

// maxPurge is how many waiting jobs one action deletes at most, so that it ends within a request; more take more actions.
const maxPurge = 100_000

// refusal is why an action cannot be done: the operator's mistake, not ours.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// validate checks what was asked for.
func (x *action) validate() error {
	if !slices.Contains(actions, x.Name) {
		return refuse("there is no action %q: there are %s", x.Name, strings.Join(actions, ", "))
	}
	if _, err := message.ParseChannel(string(x.Channel)); err != nil {
		return refuse("%v", err)
	}
	switch x.Name {
	case actRetry, actDelete:
		for _, id := range x.IDs {
			if _, channel, _, err := job.ParseID(id); err != nil || channel != x.Channel {
				return refuse("%q is no job of %s", id, x.Channel)
			}
		}
		switch {
		case len(x.IDs) == 0 && x.State == "":
			return refuse("say which jobs: ids, or the place they are in (failed, retry, held)")
		case x.State != "" && !slices.Contains([]queue.State{queue.Failed, queue.Retrying, queue.Scheduled}, x.State) && (x.Name != actDelete || x.State != queue.Completed):
			return refuse("jobs that are %s cannot be changed: only failed, retry and held can be retried, and those and completed deleted", x.State)
		}
	case actPurge:
		if x.Priority < 0 || x.Priority > 4 {
			return refuse("priority is 1 to 4, or 0 for all")
		}
	case actOpen, actClose:
		if x.Provider == "" {
			return refuse("say which provider")
		}
	}
	return nil
}

// jobs collects the jobs that an action is about.
func (a *Admin) jobs(ctx context.Context, x *action) ([]queue.Stored, error) {
	var out []queue.Stored
	for _, id := range x.IDs {
		var accepted time.Time
		webhookID, _, _, err := job.ParseID(id)
		if err != nil {
			return nil, err
		}
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
		if k.State == queue.Waiting || k.State == queue.InFlight || k.State == queue.Completed && x.Name == actRetry {
			return nil, refuse("job %s is %s: that cannot be changed", id, stateName(k.State))
		}
		out = append(out, *k)
	}
	if len(x.IDs) > 0 {
		return out, nil
	}
	for offset := 0; offset < maxJobs; offset += pageSize {
		list, err := a.Queues.List(ctx, x.Channel, x.State, 0, offset, pageSize)
		if err != nil {
			return nil, err
		}
		for _, k := range list {
			if x.Filter == "" || matches(&k, x.Filter) {
				out = append(out, k)
			}
		}
		if len(list) < pageSize {
			break
		}
	}
	return out, nil
}

func matches(k *queue.Stored, text string) bool {
	return strings.Contains(string(k.Raw), text) || k.Job != nil && strings.Contains(string(k.Job.Body), text)
}

// count says how many jobs an action would change.
func (a *Admin) count(ctx context.Context, x *action) (int, error) {
	switch x.Name {
	case actRetry, actDelete:
		jobs, err := a.jobs(ctx, x)
		return len(jobs), err
	case actPurge:
		state, err := a.Queues.State(ctx, x.Channel)
		if err != nil {
			return 0, err
		}
		n := 0
		for p, waiting := range state.Waiting {
			if x.Priority == 0 || x.Priority == p+1 {
				n += int(waiting)
			}
		}
		return n, nil
	}
	return 0, nil
}

// do carries an action out, and leaves a record of it. It returns how many jobs were changed.
func (a *Admin) do(ctx context.Context, x *action) (int, error) {
	if a.Config.ReadOnly {
		return 0, refuse("ADMIN_READ_ONLY is set: nothing can be changed here")
	}
	if err := x.validate(); err != nil {
		return 0, err
	}
	by, n := operator(ctx), 0
	var err error
	switch x.Name {
	case actRetry, actDelete:
		var jobs []queue.Stored
		if jobs, err = a.jobs(ctx, x); err != nil {
			return 0, err
		}
		if x.Name == actRetry {
			n, err = a.Queues.Retry(ctx, jobs, by)
		} else {
			n, err = a.Queues.Delete(ctx, jobs, by)
		}
	case actPurge:
		n, err = a.purge(ctx, x, by)
	case actPause:
		err = a.Queues.Pause(ctx, x.Channel, by, clip(x.Why, 200))
	case actResume:
		err = a.Queues.Resume(ctx, x.Channel)
	case actOpen, actClose:
		err = a.breaker(ctx, x, by)
	}
	if err == nil || n > 0 {
		a.record(ctx, x, by, n)
	}
	return n, err
}

func (a *Admin) purge(ctx context.Context, x *action, by string) (n int, err error) {
	for p := 1; p <= 4; p++ {
		if x.Priority != 0 && x.Priority != p {
			continue
		}
		for {
			some, err := a.Queues.Purge(ctx, x.Channel, p, by)
			n += some
			if err != nil {
				return n, err
			}
			if some == 0 {
				break
			}
			if n >= maxPurge {
				return n, nil
			}
		}
	}
	return n, nil
}

func (a *Admin) breaker(ctx context.Context, x *action, by string) error {
	state, err := a.Queues.State(ctx, x.Channel)
	if err != nil {
		return err
	}
	providers := providersOf(state)
	if !slices.Contains(providers, x.Provider) {
		return refuse("no worker of %s uses the provider %q", x.Channel, x.Provider)
	}
	if x.Name == actClose {
		return a.Queues.CloseBreaker(ctx, x.Channel, x.Provider)
	}
	others := slices.DeleteFunc(slices.Clone(providers), func(name string) bool {
		b, known := state.Breakers[name]
		return name == x.Provider || known && b.State == "open"
	})
	return a.Queues.OpenBreaker(ctx, x.Channel, x.Provider, by, len(others) == 0)
}

// providersOf lists the providers that a channel's workers use, and any whose breaker is known.
func providersOf(state *queue.ChannelState) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, w := range state.Workers {
		for _, name := range w.Providers {
			add(name)
		}
	}
	for name := range state.Breakers {
		add(name)
	}
	slices.Sort(names)
	return names
}

// record keeps who did what, in the log and in the queue.
func (a *Admin) record(ctx context.Context, x *action, by string, n int) {
	e := queue.AuditEntry{At: time.Now().UTC(), By: by, Action: x.Name, Channel: x.Channel, Count: n, Why: clip(x.Why, 200)}
	switch {
	case len(x.IDs) > 0:
		e.Target = clip(strings.Join(x.IDs, " "), 400)
	case x.person != "":
		e.Target = x.person
	case x.Provider != "":
		e.Target = x.Provider
	case x.Filter != "":
		e.Target = string(x.State) + " with a filter" // which may be a person's address
	case x.State != "":
		e.Target = string(x.State)
	case x.Priority != 0:
		e.Target = fmt.Sprintf("priority %d", x.Priority)
	}
	a.keep(ctx, e)
}

// keep puts a record into the log and the queue.
func (a *Admin) keep(ctx context.Context, e queue.AuditEntry) {
	a.Log.Info("operator", "by", e.By, "action", e.Action, "channel", e.Channel, "target", e.Target, "jobs", e.Count, "why", e.Why)
	if err := a.Queues.Record(ctx, e); err != nil {
		a.Log.Error("the audit record was not kept", "error", err)
	}
}

// isRefusal says that the operator asked for what cannot be.
func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}
