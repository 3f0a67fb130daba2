package admin

import (
	"fmt"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The names of actions.
const (
	ActionRetry        = "retry"
	ActionDelete       = "delete"
	ActionPause        = "pause"
	ActionResume       = "resume"
	ActionPurge        = "purge"
	ActionOpenBreaker  = "open-breaker"
	ActionCloseBreaker = "close-breaker"
	ActionSendAgain    = "send-again"
)

var actionNames = []string{ActionRetry, ActionDelete, ActionPause, ActionResume, ActionPurge, ActionOpenBreaker, ActionCloseBreaker, ActionSendAgain}

// Action is a change that an operator asks for.
type Action struct {
	Name     string          `json:"action"`
	Channel  message.Channel `json:"channel"`
	IDs      []string        `json:"ids,omitempty"`      // retry, delete: these jobs
	State    queue.State     `json:"place,omitempty"`    // retry, delete: all jobs of a state, when there are no IDs
	Filter   string          `json:"filter,omitempty"`   // with State: of those, the jobs that a search for this text finds
	Where    JobFilter       `json:"where,omitzero"`     // with State: of those, the jobs that it means
	Priority int             `json:"priority,omitempty"` // purge: only this priority; 0 for all
	Provider string          `json:"provider,omitempty"` // open-breaker, close-breaker
	Why      string          `json:"why,omitempty"`      // for the audit log
	Once     string          `json:"once,omitempty"`     // send-again: what is asked for again with the same one is sent once
}

// ActionRequest asks for an action, or with DryRun for the number of jobs that it would change.
type ActionRequest struct {
	Action
	DryRun bool `json:"dry_run"`
}

// ActionResult is the outcome of an action.
type ActionResult struct {
	Action  string          `json:"action"`
	Channel message.Channel `json:"channel"`
	Jobs    int             `json:"jobs"` // that were changed, or would be
	More    bool            `json:"more"` // there are others: ask again
	DryRun  bool            `json:"dry_run"`
	Job     string          `json:"job,omitempty"` // of send-again: the one that was added
	// Examples are the first jobs that a dry run of retry or delete found, three at most.
	Examples []Job `json:"examples,omitempty"`
}

// Validate refuses an action that makes no sense, whatever is in the queue. It also refuses one with a field that narrows other actions down, and not
// this one: without it, it would change more than was asked for.
func (x *Action) Validate() error {
	if !slices.Contains(actionNames, x.Name) {
		return refuse("there is no action %q: there are %s", x.Name, strings.Join(actionNames, ", "))
	}
	if _, err := message.ParseQueue(string(x.Channel)); err != nil {
		return refuse("%v", err)
	}
	if name := x.unused(); name != "" {
		return refuse("%s is nothing that %s goes by: leave it out", name, x.Name)
	}
	switch x.Name {
	case ActionRetry, ActionDelete:
		return x.validateJobs()
	case ActionSendAgain:
		return x.validateAgain()
	case ActionPurge:
		if x.Priority < 0 || x.Priority > 4 {
			return refuse("priority is 1 to 4, or 0 for all")
		}
	case ActionOpenBreaker, ActionCloseBreaker:
		if x.Provider == "" {
			return refuse("say which provider")
		}
	}
	return nil
}

// unused is the JSON name of a field that the action would pass over; "" when it uses all that are set.
func (x *Action) unused() string {
	ofJobs, ofProvider := x.Name == ActionRetry || x.Name == ActionDelete || x.Name == ActionSendAgain, x.Name == ActionOpenBreaker || x.Name == ActionCloseBreaker
	switch {
	case x.IDs != nil && !ofJobs:
		return "ids"
	case x.State != "" && !ofJobs:
		return "place"
	case x.Filter != "" && !ofJobs:
		return "filter"
	case x.Filter != "" && x.IDs != nil:
		return "filter beside ids"
	case !x.Where.IsZero() && !ofJobs:
		return "where"
	case !x.Where.IsZero() && x.IDs != nil:
		return "where beside ids"
	case x.Priority != 0 && x.Name != ActionPurge:
		return "priority"
	case x.Once != "" && x.Name != ActionSendAgain:
		return "once"
	case x.Provider != "" && !ofProvider:
		return "provider"
	}
	return ""
}

// changeable are the states in which jobs can be retried and deleted.
var changeable = []queue.State{queue.Failed, queue.Retrying, queue.Scheduled}

// validateJobs checks which jobs are to be retried or deleted.
func (x *Action) validateJobs() error {
	if x.IDs != nil && len(x.IDs) == 0 {
		return refuse("ids is empty: name the jobs, or leave it out")
	}
	for _, id := range x.IDs {
		if _, channel, _, err := job.ParseID(id); err != nil || channel != x.Channel {
			return refuse("%q is no job of %s", id, x.Channel)
		}
	}
	if err := x.Where.Validate(); err != nil {
		return err
	}
	switch {
	case slices.Contains(changeable, x.State), x.State == queue.Completed && x.Name == ActionDelete, x.State == "" && len(x.IDs) > 0:
		return nil
	case x.State == "":
		return refuse("say which jobs: ids, or a place (%s)", stateList(changeable...))
	}
	return refuse("jobs that are %s cannot be changed: %s can be retried or deleted, %s deleted", x.State, stateList(changeable...), queue.Completed)
}

// target is what the audit log names as changed.
func (x *Action) target() string {
	switch {
	case x.Name == ActionSendAgain:
		return x.IDs[0] + " as " + x.Again()
	case len(x.IDs) > 0:
		return strings.Join(x.IDs, " ")
	case x.Provider != "":
		return x.Provider
	case x.Filter != "":
		return strings.Join(append([]string{string(x.State), "with a filter"}, x.Where.Words()...), " ") // the filter may be an address
	case !x.Where.IsZero():
		return string(x.State) + ": " + strings.Join(x.Where.Words(), ", ")
	case x.State != "":
		return string(x.State)
	case x.Priority != 0:
		return fmt.Sprintf("priority %d", x.Priority)
	}
	return ""
}
