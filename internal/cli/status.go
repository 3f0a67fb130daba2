package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/verdict"
)

// Status returns the command that says how ringup is.
func Status(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	cmd := &cobra.Command{
		Use: "status", Short: "How ringup is, in one line, and in one line per channel", Args: cobra.NoArgs,
		Long: "How ringup is, as the first page of admin says it, through the admin program's API. ADMIN_TOKEN signs in.\n" +
			"The exit code is 0 where all is well, and 1 where it is not, or where nobody can say.",
		Example: "  ringup status\n  ringup status --json | jq -r .level",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v verdict.Verdict
			if err := c.call(cmd.Context(), http.MethodGet, "/verdict", nil, &v); err != nil {
				return err
			}
			if err := c.show(cmd.OutOrStdout(), v, func(w io.Writer) { printVerdict(w, &v) }); err != nil {
				return err
			}
			if v.Level != verdict.Well {
				return &ExitError{ExitFailed, errors.New("not all is well")}
			}
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}

func printVerdict(w io.Writer, v *verdict.Verdict) {
	_, _ = fmt.Fprintf(w, "%s\n\n", cell(v.Text))
	for _, one := range v.Channels {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", cell(verdict.Title(one.Channel)), one.Level, cell(one.Text))
	}
	for _, one := range v.Others {
		_, _ = fmt.Fprintf(w, "\t%s\t%s\n", one.Level, cell(one.Text))
	}
}
