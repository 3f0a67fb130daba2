package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/verdict"
)

// watchEvery is the time between two looks of a command that goes on.
const watchEvery = 2 * time.Second

// Status returns the command that says how ringup is.
func Status(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	watch := false
	cmd := &cobra.Command{
		Use: "status", Short: "How ringup is, in one line, and in one line per channel", Args: cobra.NoArgs,
		Long: "How ringup is, as the first page of admin says it, through the admin program's API. ADMIN_TOKEN signs in.\n" +
			"The exit code is 0 where all is well, and 1 where it is not, or where nobody can say.",
		Example: "  ringup status\n  ringup status --watch\n  ringup status --json | jq -r .level",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return c.watchStatus(cmd)
			}
			var v verdict.Verdict
			if err := c.call(cmd.Context(), http.MethodGet, "/verdict", nil, &v); err != nil {
				return err
			}
			return c.status(cmd, &v)
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, and print the verdict whenever it changes, until it is interrupted")
	return cmd
}

// status prints a verdict, and is an error unless all is well.
func (c *adminClient) status(cmd *cobra.Command, v *verdict.Verdict) error {
	color := colored(cmd.OutOrStdout(), c.env)
	if err := c.show(cmd.OutOrStdout(), v, func(w io.Writer) { printVerdict(w, v, color) }); err != nil {
		return err
	}
	if v.Level != verdict.Well {
		return &ExitError{ExitFailed, errors.New("not all is well")}
	}
	return nil
}

// watchStatus prints the verdict whenever it changes. That admin does not answer is said once; it may be starting.
func (c *adminClient) watchStatus(cmd *cobra.Command) error {
	var last verdict.Verdict
	said := ""
	for {
		var v verdict.Verdict
		err := c.call(cmd.Context(), http.MethodGet, "/verdict", nil, &v)
		switch {
		case cmd.Context().Err() != nil:
			return nil //nolint:nilerr // Ctrl-C ends it
		case Code(err) == ExitUsage && err != nil:
			return err
		case err != nil && err.Error() != said:
			said = err.Error()
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s  %s\n", time.Now().Format(time.TimeOnly), said)
		case err == nil:
			at := v.At
			if v.At = last.At; said != "" || !reflect.DeepEqual(v, last) {
				said, last = "", v
				v.At = at
				if !c.json {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "\n%s  ", at.Local().Format(time.TimeOnly))
				}
				_ = c.status(cmd, &v) // which is an error where not all is well
			}
		}
		if !wait(cmd.Context(), watchEvery) {
			return nil
		}
	}
}

// wait waits; false where the command is interrupted.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func printVerdict(w io.Writer, v *verdict.Verdict, color bool) {
	_, _ = fmt.Fprintf(w, "%s\n\n", paint(cell(v.Text), v.Level, color))
	for _, one := range v.Channels {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", cell(verdict.Title(one.Channel)), paint(one.Level.String(), one.Level, color), cell(one.Text))
	}
	for _, one := range v.Others {
		_, _ = fmt.Fprintf(w, "\t%s\t%s\n", paint(one.Level.String(), one.Level, color), cell(one.Text))
	}
}
