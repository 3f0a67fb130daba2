package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// act asks for an action. With a question, which has a %s for the number of jobs, it asks first how many there are, and for a yes. An action
// that stops at its limit is repeated until no jobs are left.
func (c *adminClient) act(cmd *cobra.Command, action admin.Action, question string, yes bool) error {
	request, answer := admin.ActionRequest{Action: action, DryRun: true}, admin.ActionResult{}
	if question != "" {
		if err := c.call(cmd.Context(), http.MethodPost, "/actions", request, &answer); err != nil {
			return err
		}
		if answer.Jobs == 0 {
			return nothing("there is no such job")
		}
		if !yes {
			jobs := admin.Plural(answer.Jobs, "job")
			if answer.More {
				jobs += " or more"
			}
			if err := confirm(cmd, fmt.Sprintf(question, jobs)); err != nil {
				return err
			}
		}
	}
	total, expected := 0, answer.Jobs
	for request.DryRun = false; ; {
		if err := c.call(cmd.Context(), http.MethodPost, "/actions", request, &answer); err != nil {
			return err
		}
		total += answer.Jobs
		if !answer.More || answer.Jobs == 0 {
			break
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d…\n", total, max(total, expected))
	}
	answer.Jobs = total
	return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		if question == "" {
			_, _ = fmt.Fprintf(w, "%s: %s is done\n", cell(string(answer.Channel)), cell(answer.Action))
			return
		}
		_, _ = fmt.Fprintf(w, "%s: %s is done, %s\n", cell(string(answer.Channel)), cell(answer.Action), admin.Plural(answer.Jobs, "job"))
	})
}

// change is retry or delete.
func (c *adminClient) change(name, short string) *cobra.Command {
	var channel, state, match, why string
	var yes bool
	cmd := &cobra.Command{
		Use: name + " [job…]", Short: short,
		Long: short + ": the jobs that are named; or with --channel all failed jobs of a channel, or all of another state (--place), of which --match picks those\n" +
			"with a text in their error, transaction, order, source, name or items, or with a whole number or e-mail address. A scheduled job that is put back is checked again, and scheduled again if its reason still holds.",
		RunE: func(cmd *cobra.Command, args []string) error {
			action := admin.Action{Name: name, Why: why}
			switch {
			case len(args) > 0 && match == "":
				_, of, _, err := job.ParseID(args[0])
				if err != nil {
					return usage("%q is no job: give <webhook>:<channel>:<number>, as `ringup queue show` lists them", args[0])
				}
				action.IDs, action.Channel = args, of
			case len(args) == 0 && channel != "":
				action.Channel, action.State, action.Filter = message.Channel(channel), parseState(state), match
			default:
				return usage("name the jobs, or give --channel, with --match for some of them")
			}
			return c.act(cmd, action, strings.ToUpper(name[:1])+name[1:]+" %s?", yes)
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "all failed jobs of this channel")
	cmd.Flags().StringVar(&state, "place", "failed", "with --channel: failed, scheduled or retrying")
	cmd.Flags().StringVar(&match, "match", "", "only jobs with this text, or this whole number or e-mail address")
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// switchCommand is pause or resume.
func (c *adminClient) switchCommand(name, short string) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: name + " <channel>", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd, admin.Action{Name: name, Channel: message.Channel(args[0]), Why: why}, "", true)
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the audit log, and for other operators to see")
	return cmd
}

func (c *adminClient) purge() *cobra.Command {
	var priority int
	var yes bool
	var why string
	cmd := &cobra.Command{
		Use: "purge <channel>", Short: "Delete the waiting jobs of a channel, for good", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			action := admin.Action{Name: admin.ActionPurge, Channel: message.Channel(args[0]), Priority: priority, Why: why}
			return c.act(cmd, action, "Delete %s that wait? They are not sent.", yes)
		},
	}
	cmd.Flags().IntVar(&priority, "priority", 0, "only of this priority, 1 to 4")
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// drainPoll is the time between two looks at a channel that is to run empty.
const drainPoll = 2 * time.Second

// drain waits until a channel has nothing more to send. Scheduled jobs do not count: they may be hours away.
func (c *adminClient) drain() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use: "drain <channel>", Short: "Wait until no job waits or is in flight on a channel", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			deadline := time.Now().Add(limit)
			for {
				left, known, err := c.drained(cmd, message.Channel(args[0]))
				switch {
				case err != nil, known && left == 0:
					return err
				case time.Now().After(deadline) && !known:
					return fmt.Errorf("it is not known how many jobs are left after %s", limit)
				case time.Now().After(deadline):
					return fmt.Errorf("%d jobs are left after %s", left, limit)
				}
				select {
				case <-cmd.Context().Done():
					return cmd.Context().Err()
				case <-time.After(drainPoll):
				}
			}
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", 10*time.Minute, "give up after so long")
	return cmd
}

// drained counts the jobs that are left on a channel, and prints how far it is. They are not known while the channel's Redis does not answer.
func (c *adminClient) drained(cmd *cobra.Command, name message.Channel) (left int64, known bool, err error) {
	answer, err := c.queues(cmd)
	if err != nil {
		return 0, false, err
	}
	channel, exists := answer[name]
	if !exists {
		return 0, false, usage("there is no channel %q: there are sms, email, whatsapp", name)
	}
	if channel.Halted.Kind == queue.HaltedUnknown {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", name, cell(channel.Halted.String()))
		return 0, false, nil
	}
	left = channel.Inflight + channel.Retry
	for _, n := range channel.Waiting {
		left += n
	}
	text := fmt.Sprintf("%s: %d left, %.1f per second", name, left, channel.SentPerSecond)
	switch halted := channel.Halted.String(); {
	case left == 0 && channel.Held > 0:
		text = fmt.Sprintf("%s is empty, except for %d scheduled jobs", name, channel.Held)
	case left == 0:
		text = string(name) + " is empty"
	case halted != "":
		text += ", " + cell(halted)
	}
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), text)
	return left, true, nil
}
