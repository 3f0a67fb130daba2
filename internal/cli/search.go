package cli

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Search returns the command that finds messages by what a person knows of them.
func Search(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	var channel, status string
	var since time.Duration
	var request admin.SearchRequest
	cmd := &cobra.Command{
		Use: "search <order, transaction, customer's name, number, address, id>", Short: "Find any message of the last STATUS_TTL", Args: cobra.ExactArgs(1),
		Long: "Find messages by an order, a transaction, the customer's whole name, a whole phone number or e-mail address in any spelling, a webhook's or a job's id, or\n" +
			"a provider's message id, through the admin program's API; the latest come first. ADMIN_TOKEN signs in. With - the text is read from standard input, so that it is not in the shell's history.\n" +
			"Exit codes: 0 found, 1 could not be done, 2 wrong arguments, 3 nothing was found.",
		Example: "  ringup search '#1001'\n  ringup search '+1 202 555 0143' --channel sms --since 2h",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if request.Text, err = typedAddress(cmd, args[0]); err != nil {
				return err
			}
			request.Channel, request.Status = message.Channel(channel), queue.Status(status)
			if since > 0 {
				request.From = time.Now().Add(-since)
			}
			return c.search(cmd, &request)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&channel, "channel", "", "only messages of this channel")
	cmd.Flags().StringVar(&status, "status", "", "only messages with this status, as sent or failed")
	cmd.Flags().StringVar(&request.Provider, "provider", "", "only messages of this provider")
	cmd.Flags().DurationVar(&since, "since", 0, "only webhooks that were accepted within this time, as 2h (0: within STATUS_TTL)")
	return cmd
}

// search looks to the end, and says on the way how far it has come.
func (c *adminClient) search(cmd *cobra.Command, request *admin.SearchRequest) error {
	var all admin.SearchResult
	for first := true; first || !all.End; first = false {
		var answer admin.SearchResult
		if err := c.call(cmd.Context(), http.MethodPost, "/search", request, &answer); err != nil {
			return err
		}
		if !first && !answer.Back.Before(request.To) {
			return fmt.Errorf("%s does not come further back than %s", c.url, answer.Back.Format(time.RFC3339))
		}
		all.Jobs, all.Notifications, all.Webhooks = append(all.Jobs, answer.Jobs...), append(all.Notifications, answer.Notifications...), append(all.Webhooks, answer.Webhooks...)
		all.Left += answer.Left
		all.Back, all.End, all.More, all.Unavailable = answer.Back, answer.End, all.More || answer.More, append(all.Unavailable, answer.Unavailable...)
		if request.To = answer.Back; !all.End {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "looked through the webhooks since %s: %d found\n", answer.Back.UTC().Format(time.DateTime), len(all.Webhooks))
		}
	}
	if len(all.Jobs)+len(all.Notifications)+len(all.Webhooks) == 0 {
		return nothing("nothing was found among the webhooks since %s UTC", all.Back.UTC().Format(time.DateTime))
	}
	return c.show(cmd.OutOrStdout(), all, func(w io.Writer) {
		for _, n := range all.Notifications {
			printFound(w, &n)
		}
		for _, one := range all.Webhooks {
			for _, n := range one.Notifications {
				printFound(w, &n)
			}
		}
		printJobs(w, all.Jobs)
		if all.Left > 0 {
			_, _ = fmt.Fprintf(w, "%d more were accepted within the same seconds, and are not listed\n", all.Left)
		}
	})
}

func printFound(w io.Writer, n *queue.Notification) {
	_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", n.UpdatedAt.UTC().Format(time.DateTime), cell(n.ID), cell(admin.StatusName(n.Status)), masked(n.Recipient), cell(n.Provider), cell(n.Error))
}
