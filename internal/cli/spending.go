package cli

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

// spendingAnswer is what messages have cost; amounts are decimals of the currency.
type spendingAnswer struct {
	Currency string `json:"currency"`
	Days     []struct {
		Day      string            `json:"day"`
		Channels map[string]string `json:"channels"`
		Total    string            `json:"total"`
	} `json:"days"`
	By []struct {
		Channel string `json:"channel"`
		Event   string `json:"event"`
		Source  string `json:"source"`
		Amount  string `json:"amount"`
	} `json:"by"`
	Caps []struct {
		Name    string `json:"name"`
		Most    string `json:"most"`
		Spent   string `json:"spent"`
		Percent int    `json:"percent"`
	} `json:"caps"`
	More bool `json:"more"`
}

// Spending returns the command that says what messages have cost.
func Spending(env envconfig.Lookuper) *cobra.Command {
	d := &desk{env: env}
	var days int
	cmd := &cobra.Command{
		Use: "spending", Short: "What messages have cost, by day, event and source", Args: cobra.NoArgs,
		Long:    "What messages have cost by PRICES, through the admin program's API. ADMIN_TOKEN signs in. Days are UTC, and are kept for forty.",
		Example: "  ringup spending\n  ringup spending --days 30 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer spendingAnswer
			if err := d.call(cmd.Context(), http.MethodGet, "/spending?days="+strconv.Itoa(days), nil, &answer); err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printSpending(w, &answer) })
		},
	}
	cmd.Flags().StringVar(&d.url, "url", "http://localhost:8080", "where the admin program is")
	cmd.Flags().BoolVar(&d.json, "json", false, "print JSON, for programs")
	cmd.Flags().IntVar(&days, "days", 7, "the latest so many, today among them")
	return cmd
}

// printable leaves out what a terminal acts upon, or what turns text around: names of sources come from tills, those of people from people.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}

func printSpending(w io.Writer, s *spendingAnswer) {
	_, _ = fmt.Fprintf(w, "DAY\tSMS\tEMAIL\tWHATSAPP\tALL, %s\n", s.Currency)
	for _, one := range s.Days {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.Day, one.Channels["sms"], one.Channels["email"], one.Channels["whatsapp"], one.Total)
	}
	if len(s.By) > 0 {
		_, _ = fmt.Fprintf(w, "\nCHANNEL\tEVENT\tSOURCE\t%s\n", s.Currency)
		for _, one := range s.By {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", one.Channel, printable(one.Event), printable(one.Source), one.Amount)
		}
		if s.More {
			_, _ = fmt.Fprintln(w, "and more that cost less")
		}
	}
	if len(s.Caps) > 0 {
		_, _ = fmt.Fprintf(w, "\nCAP\tSPENT TODAY\tOF\tUSED\n")
		for _, one := range s.Caps {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d%%\n", printable(one.Name), one.Spent, one.Most, one.Percent)
		}
	}
}
