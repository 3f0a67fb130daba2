package cli

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
)

// Spending returns the command that adds up costs.
func Spending(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	var days int
	cmd := &cobra.Command{
		Use: "spending", Short: "Costs of messages, by day, event and source", Args: cobra.NoArgs,
		Long:    "Costs of messages by PRICES, through the admin program's API. ADMIN_TOKEN signs in. Days are UTC, and are stored for forty days.",
		Example: "  ringup spending\n  ringup spending --days 30 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer admin.Spending
			if err := c.call(cmd.Context(), http.MethodGet, "/spending?days="+strconv.Itoa(days), nil, &answer); err != nil {
				return err
			}
			return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printSpending(w, &answer) })
		},
	}
	c.flags(cmd)
	cmd.Flags().IntVar(&days, "days", admin.UsualDays, "the latest so many, today among them")
	return cmd
}

func printSpending(w io.Writer, s *admin.Spending) {
	_, _ = fmt.Fprintf(w, "DAY\tSMS\tEMAIL\tWHATSAPP\tTOTAL, %s\n", cell(s.Currency))
	for _, one := range s.Days {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cell(one.Day), cell(one.Channels["sms"]), cell(one.Channels["email"]), cell(one.Channels["whatsapp"]), cell(one.Total))
	}
	if len(s.By) > 0 {
		_, _ = fmt.Fprintf(w, "\nCHANNEL\tEVENT\tSOURCE\t%s\n", cell(s.Currency))
		for _, one := range s.By {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", cell(string(one.Channel)), cell(one.Event), cell(one.Source), cell(one.Amount))
		}
		if s.More {
			_, _ = fmt.Fprintln(w, "and more that cost less")
		}
	}
	if len(s.Caps) > 0 {
		_, _ = fmt.Fprintf(w, "\nCAP\tSPENT TODAY\tOF\tUSED\n")
		for _, one := range s.Caps {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d%%\n", cell(one.Name), cell(one.Spent), cell(one.Most), one.Percent)
		}
	}
}
