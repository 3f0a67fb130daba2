package cli

import (
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/queue"
)

// notForgotten is the data that forgetting leaves, and why.
const notForgotten = `Not deleted: the entry on the suppression list (a keyed hash, the masked address); the record that keeps a repeated webhook from
sending twice, with masked addresses, for DEDUPE_TTL; backups of Redis; the data at the providers and the POS.`

// Forget returns the command that deletes a person's data.
func Forget(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	var dryRun, yes bool
	var why string
	cmd := &cobra.Command{
		Use:   "forget <number or address>",
		Short: "Delete a person's data: their messages, wherever they are",
		Long: "Delete a person's data through the admin program's API: every job on any channel that goes to their number or address, or whose webhook names it\n" +
			"as the customer's; its payload, its log, and its message in the sandbox's outbox; and webhooks of senders that are set aside and name it. Waiting jobs are not sent. Jobs in flight are left to their workers\n" +
			"and named: run it again. With - the address is read from standard input, and is in no shell's history.\n" + notForgotten + "\n" +
			"Exit codes: 0 done, 1 could not be done (or jobs are in flight), 2 wrong arguments, 3 nothing was found.",
		Example: "  ringup forget +12025550143 --dry-run\n  ringup forget jane.roe@example.com --yes --why 'request 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := typedAddress(cmd, args[0])
			if err != nil {
				return err
			}
			result, err := c.forget(cmd, admin.ForgetRequest{Who: who, Why: why, DryRun: true})
			if err != nil {
				return err
			}
			if result.Found()+len(result.Sending) == 0 {
				return nothing("nothing was found of this person in %d jobs", result.Seen)
			}
			if !dryRun {
				if !yes {
					if err := confirm(cmd, fmt.Sprintf("Delete %d jobs and messages of this person? Waiting jobs are not sent.", result.Found())); err != nil {
						return err
					}
				}
				if result, err = c.forget(cmd, admin.ForgetRequest{Who: who, Why: why}); err != nil {
					return err
				}
			}
			if err := c.show(cmd.OutOrStdout(), result, func(w io.Writer) { printForgotten(w, result) }); err != nil {
				return err
			}
			if n := len(result.Sending); n > 0 && !dryRun {
				return fmt.Errorf("%d of the person's jobs are in flight: run it again when they have ended", n)
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count, and delete nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	return cmd
}

// forget asks for one part after the other, and prints how far it is.
func (c *adminClient) forget(cmd *cobra.Command, request admin.ForgetRequest) (*admin.ForgetResult, error) {
	for {
		var result admin.ForgetResult
		if err := c.call(cmd.Context(), http.MethodPost, "/forget", request, &result); err != nil {
			return nil, err
		}
		if result.Next == "" {
			slices.Sort(result.Sending)
			return &result, nil
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "looked at %d jobs, %d found…\n", result.Seen, result.Found())
		request.Next = result.Next
	}
}

func printForgotten(w io.Writer, f *admin.ForgetResult) {
	what := "DELETED"
	if f.DryRun {
		what = "FOUND"
	}
	_, _ = fmt.Fprintf(w, "STATE\t%s\n", what)
	for _, line := range []struct {
		state queue.State
		n     int
	}{{queue.Waiting, f.Waiting}, {queue.Retrying, f.Retry}, {queue.Scheduled, f.Held}, {queue.Failed, f.Failed}, {queue.Completed, f.Completed}} {
		_, _ = fmt.Fprintf(w, "%s\t%d\n", admin.StateName(line.state), line.n)
	}
	_, _ = fmt.Fprintf(w, "sandbox outbox\t%d\nset aside\t%d\n", f.Outbox, f.Aside)
	for _, id := range f.Sending {
		_, _ = fmt.Fprintf(w, "in flight, left to its worker: run it again\t%s\n", cell(id))
	}
	_, _ = fmt.Fprintf(w, "\nlooked at %d jobs. %s\n", f.Seen, notForgotten)
}
