package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// Suppress returns the commands for the suppression list.
func Suppress(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	cmd := &cobra.Command{
		Use:   "suppress",
		Short: "Suppression list: look an address up, add or remove it, import, export",
		Long: "Manage the suppression list of each channel, through the admin program's API: nothing is sent to its addresses. ADMIN_TOKEN signs in.\n" +
			"With - as the address it is read from standard input, and is in no shell's history.\n" +
			"Exit codes: 0 done, 1 could not be done, 2 wrong arguments, 3 there was nothing to do, or the address is not on the list.",
		Example: "  ringup suppress check sms +12025550143\n  ringup suppress add email jane@example.com --why 'asked by phone'\n" +
			"  ringup suppress import opted-out.csv --channel sms\n  ringup suppress export > suppressed.csv",
	}
	c.flags(cmd)
	cmd.AddCommand(c.suppressed(), c.suppressAdd(), c.suppressRemove(), c.suppressCheck(), c.suppressImport(), c.suppressExport())
	return cmd
}

func (c *adminClient) suppressed() *cobra.Command {
	var offset int
	cmd := &cobra.Command{
		Use: "list [channel]", Short: "The suppressed addresses, masked, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			channels := args
			if len(args) == 0 {
				channels = []string{"sms", "email", "whatsapp"}
			}
			answers := map[string]admin.Suppressions{}
			for _, channel := range channels {
				var one admin.Suppressions
				if err := c.call(cmd.Context(), http.MethodGet, "/suppressed/"+url.PathEscape(channel)+"?offset="+strconv.Itoa(offset), nil, &one); err != nil {
					return err
				}
				answers[channel] = one
			}
			return c.show(cmd.OutOrStdout(), answers, func(w io.Writer) {
				for _, channel := range channels {
					printSuppressions(w, channel, answers[channel])
				}
			})
		},
	}
	cmd.Flags().IntVar(&offset, "offset", 0, "leave out so many")
	return cmd
}

func printSuppressions(w io.Writer, channel string, list admin.Suppressions) {
	if list.Total == 0 {
		_, _ = fmt.Fprintf(w, "no addresses on %s\n", channel)
		return
	}
	printEntries(w, list.Entries)
	next := list.Offset + len(list.Entries)
	if rest := int(list.Total) - next; rest > 0 {
		_, _ = fmt.Fprintf(w, "and %d more on %s: --offset %d, or ringup suppress export\n", rest, channel, next)
	}
}

func printEntries(w io.Writer, entries []admin.Suppression) {
	if len(entries) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "CHANNEL\tADDRESS\tWHY\tSINCE\tBY\tSENDER ACCOUNT\tOPTED IN SINCE")
	for _, e := range entries {
		optedIn := ""
		if !e.OptedIn.IsZero() {
			optedIn = e.OptedIn.UTC().Format(time.DateTime)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(string(e.Channel)), masked(e.Address), cell(string(e.Why)), e.Since.UTC().Format(time.DateTime), cell(e.By),
			cell(cmp.Or(e.Sender, "all")), optedIn)
	}
}

// changeList asks for an address to be added to a list or removed from it; false says that nothing changed.
func (c *adminClient) changeList(cmd *cobra.Command, what, argument string, request admin.SuppressionChange) (bool, error) {
	var err error
	if request.Address, err = typedAddress(cmd, argument); err != nil {
		return false, err
	}
	var answer admin.SuppressionChanged
	err = c.call(cmd.Context(), http.MethodPost, "/suppressed/"+what, request, &answer)
	return answer.Changed, err
}

func (c *adminClient) suppressAdd() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "add <channel> <address>", Short: "Put an address on a channel's list", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed, err := c.changeList(cmd, "add", args[1], admin.SuppressionChange{Channel: message.Channel(args[0]), Why: why})
			if err != nil {
				return err
			}
			if !changed {
				return nothing("the address is on the list of %s already", args[0])
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the address is suppressed on %s from now on\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	return cmd
}

func (c *adminClient) suppressRemove() *cobra.Command {
	var why string
	var only suppress.Selection
	var yes bool
	cmd := &cobra.Command{
		Use: "remove <channel> <address>", Short: "Take an address off a channel's list: only when the recipient asked for it", Args: cobra.ExactArgs(2),
		Long: "Take an address off a channel's list: only when the recipient asked for it. An address has one entry per reason, sender account and source;\n" +
			"without a flag, all of them go.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := confirm(cmd, "Take the address off the list of "+args[0]+"? A recipient that opted out has to have asked for messages again."); err != nil {
					return err
				}
			}
			changed, err := c.changeList(cmd, "remove", args[1], admin.SuppressionChange{Channel: message.Channel(args[0]), Why: why, Only: only})
			if err != nil {
				return err
			}
			if !changed {
				return notListed(args[0])
			}
			if only == (suppress.Selection{}) {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the address is not suppressed on %s any more\n", args[0])
			} else {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the entries were taken off the list of %s\n", args[0])
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	cmd.Flags().StringVar((*string)(&only.Why), "reason", "", "only entries with this reason, as stop")
	cmd.Flags().StringVar(&only.Sender, "sender", "", "only entries for this sender account; * for those that hold for all")
	cmd.Flags().StringVar(&only.By, "by", "", "only entries from this provider or operator")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func notListed(channel string) error { return nothing("the address is not on the list of %s", channel) }

func (c *adminClient) suppressCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check <channel> <address>", Short: "Whether an address is suppressed on a channel, and why", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := typedAddress(cmd, args[1])
			if err != nil {
				return err
			}
			var answer admin.SuppressionCheck
			request := admin.SuppressionChange{Channel: message.Channel(args[0]), Address: address}
			if err := c.call(cmd.Context(), http.MethodPost, "/suppressed/check", request, &answer); err != nil {
				return err
			}
			if !answer.Suppressed {
				return notListed(args[0])
			}
			return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printEntries(w, answer.Entries) })
		},
	}
}
