package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

// forgetAnswer is what the admin program found so far.
type forgetAnswer struct {
	DryRun    bool     `json:"dry_run"`
	Seen      int      `json:"seen"`
	Waiting   int      `json:"waiting"`
	Retry     int      `json:"retry"`
	Held      int      `json:"held"`
	Failed    int      `json:"failed"`
	Completed int      `json:"completed"`
	Outbox    int      `json:"outbox"`
	Sending   []string `json:"sending"`
	Next      string   `json:"next,omitempty"`
}

func (f *forgetAnswer) found() int {
	return f.Waiting + f.Retry + f.Held + f.Failed + f.Completed + f.Outbox
}

// kept is what forgetting leaves, and why.
const kept = `What stays: that an address is not to be written to (the suppression list); the record that keeps a repeated webhook from being sent
again, with masked addresses, for DEDUPE_TTL; backups of Redis; and what the providers and the POS keep.`

// Forget returns the command that deletes a person's data.
func Forget(env envconfig.Lookuper) *cobra.Command {
	d := &desk{env: env}
	var dryRun, yes bool
	var why string
	cmd := &cobra.Command{
		Use:   "forget <number or address>",
		Short: "Delete a person's data: their messages, wherever they are",
		Long: "Delete a person's data through the admin program's API: every job on any channel that goes to their number or address, or whose webhook names it\n" +
			"as the customer's; its payload, its log, and what the sandbox took. What waits is not sent. Jobs that are being sent are left to their workers\n" +
			"and named: run it again. With - the address is read from standard input, and is in no shell's history.\n" + kept + "\n" +
			"Exit codes: 0 done, 1 could not be done (or jobs are being sent), 2 typed wrong, 3 nothing was found.",
		Example: "  ringup forget +12025550143 --dry-run\n  ringup forget jane.roe@example.com --yes --why 'request 4711'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who := args[0]
			if who == "-" {
				line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				who = strings.TrimSpace(line)
			}
			answer, err := d.forget(cmd, who, why, true)
			if err != nil {
				return err
			}
			if answer.found()+len(answer.Sending) == 0 {
				return &ExitError{ExitNothing, fmt.Errorf("nothing was found of this person in %d jobs", answer.Seen)}
			}
			if !dryRun {
				if !yes {
					if err := confirm(cmd, fmt.Sprintf("Delete %d jobs and messages of this person? What waits is not sent.", answer.found())); err != nil {
						return err
					}
				}
				if answer, err = d.forget(cmd, who, why, false); err != nil {
					return err
				}
			}
			if err := d.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printForgotten(w, answer) }); err != nil {
				return err
			}
			if n := len(answer.Sending); n > 0 && !dryRun {
				return fmt.Errorf("%d of the person's jobs are being sent: run it again when they have ended", n)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.url, "url", "http://localhost:8080", "where the admin program is")
	flags.BoolVar(&d.json, "json", false, "print JSON, for programs")
	flags.BoolVar(&dryRun, "dry-run", false, "count, and delete nothing")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	flags.StringVar(&why, "why", "", "for the record")
	return cmd
}

// forget asks for one part after the other, and says how far it has come.
func (d *desk) forget(cmd *cobra.Command, who, why string, dryRun bool) (*forgetAnswer, error) {
	request := map[string]any{"who": who, "why": why, "dry_run": dryRun}
	for {
		var answer forgetAnswer
		if err := d.call(cmd.Context(), http.MethodPost, "/forget", request, &answer); err != nil {
			return nil, err
		}
		if answer.Next == "" {
			slices.Sort(answer.Sending)
			return &answer, nil
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "looked at %d jobs, %d found…\n", answer.Seen, answer.found())
		request["next"] = answer.Next
	}
}

func printForgotten(w io.Writer, f *forgetAnswer) {
	what := "DELETED"
	if f.DryRun {
		what = "FOUND"
	}
	_, _ = fmt.Fprintf(w, "WHERE\t%s\n", what)
	for _, line := range []struct {
		place string
		n     int
	}{{"waiting", f.Waiting}, {"retry", f.Retry}, {"held", f.Held}, {"failed", f.Failed}, {"completed", f.Completed}, {"sandbox outbox", f.Outbox}} {
		_, _ = fmt.Fprintf(w, "%s\t%d\n", line.place, line.n)
	}
	for _, id := range f.Sending {
		_, _ = fmt.Fprintf(w, "being sent, left to its worker: run it again\t%s\n", cell(id))
	}
	_, _ = fmt.Fprintf(w, "\nlooked at %d jobs. %s\n", f.Seen, kept)
}
