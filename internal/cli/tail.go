package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/queue"
)

// tailed is an event of a message, as `ringup tail --json` prints it.
type tailed struct {
	queue.Event
	ID        string `json:"id"` // the job's
	Recipient string `json:"recipient"`
}

// Tail returns the command that shows what happens to messages, as it happens.
func Tail(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	var channel string
	var since time.Duration
	cmd := &cobra.Command{
		Use: "tail", Short: "What happens to messages, as it happens", Args: cobra.NoArgs,
		Long: "A line for each event of a message: accepted, sent, failed, delivered, …, through the admin program's API, until it is interrupted. ADMIN_TOKEN signs in.\n" +
			"It follows the latest 50 webhooks of the last 15 minutes; where more come in, some are left out, and it says so.",
		Example: "  ringup tail\n  ringup tail --channel sms --since 10m\n  ringup tail --json | jq 'select(.what == \"failed\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.tail(cmd, channel, time.Now().Add(-since))
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&channel, "channel", "", "only messages of this channel")
	cmd.Flags().DurationVar(&since, "since", 0, "begin with the events of this time, as 10m (0: what happens from now on)")
	return cmd
}

func (c *adminClient) tail(cmd *cobra.Command, channel string, since time.Time) error {
	seen, left := map[string]int{}, false
	for first := true; ; first = false {
		var answer admin.Latest
		switch err := c.call(cmd.Context(), http.MethodGet, "/latest", nil, &answer); {
		case cmd.Context().Err() != nil:
			return nil //nolint:nilerr // Ctrl-C ends it
		case err != nil && first:
			return err
		case err != nil:
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", err)
		default:
			if answer.Left && !first && !left {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "more webhooks come in than can be followed: some are left out")
			}
			left = answer.Left
			var events []tailed
			events, seen = unseen(answer.Webhooks, seen, channel, since)
			if err := c.printTailed(cmd, events); err != nil {
				return err
			}
		}
		if !wait(cmd.Context(), watchEvery) {
			return nil
		}
	}
}

// unseen returns the events since a time that have not been seen, the oldest first, and how many events each job has by now.
func unseen(webhooks []admin.FoundWebhook, seen map[string]int, channel string, since time.Time) (events []tailed, known map[string]int) {
	known = map[string]int{}
	for _, webhook := range webhooks {
		for _, n := range webhook.Notifications {
			known[n.ID] = len(n.History)
			if channel != "" && string(n.Channel) != channel {
				continue
			}
			for _, e := range n.History[min(seen[n.ID], len(n.History)):] {
				if !e.At.Before(since) {
					events = append(events, tailed{e, n.ID, n.Recipient})
				}
			}
		}
	}
	slices.SortStableFunc(events, func(a, b tailed) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return events, known
}

func (c *adminClient) printTailed(cmd *cobra.Command, events []tailed) error {
	for _, e := range events {
		if c.json {
			line, err := json.Marshal(e)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line)
			}
			if err != nil {
				return err
			}
			continue
		}
		why := e.Error
		if e.MovedTo != "" {
			why = e.MovedTo
		}
		// Columns of a width of their own: what is printed cannot be aligned with what is still to come.
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %-14s %-28s %-20s %s %s\n", e.At.UTC().Format(time.TimeOnly), cell(admin.EventName(e.What)), cell(e.ID), masked(e.Recipient), cell(e.Provider), cell(why)); err != nil {
			return err
		}
	}
	return nil
}
