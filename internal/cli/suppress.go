package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

// entryAnswer is an entry of the lists of those who get nothing.
type entryAnswer struct {
	Channel string    `json:"channel"`
	Address string    `json:"address"`
	Why     string    `json:"why"`
	Sender  string    `json:"sender,omitempty"`
	By      string    `json:"by,omitempty"`
	Since   time.Time `json:"since"`
}

// importAnswer is what became of a file.
type importAnswer struct {
	Read    int         `json:"read"`
	Added   int         `json:"added"`
	Already int         `json:"already"`
	Wrong   []wrongLine `json:"wrong"`
}

type wrongLine struct {
	Line    int    `json:"line"`
	Problem string `json:"problem"`
}

// Suppress returns the commands that keep the lists of those who get nothing.
func Suppress(env envconfig.Lookuper) *cobra.Command {
	d := &desk{env: env}
	cmd := &cobra.Command{
		Use:   "suppress",
		Short: "Who gets nothing: look an address up, put it on the list or take it off, import, export",
		Long: "Keep the lists of those who get nothing, one a channel, through the admin program's API. ADMIN_TOKEN signs in.\n" +
			"An address of - is read from standard input, and is in no shell's history.\n" +
			"Exit codes: 0 done, 1 could not be done, 2 typed wrong, 3 there was nothing to do, or the address is not on the list.",
		Example: "  ringup suppress check sms +12025550143\n  ringup suppress add email jane@example.com --why 'asked by phone'\n" +
			"  ringup suppress import opted-out.csv --channel sms\n  ringup suppress export > suppressed.csv",
	}
	cmd.PersistentFlags().StringVar(&d.url, "url", "http://localhost:8080", "where the admin program is")
	cmd.PersistentFlags().BoolVar(&d.json, "json", false, "print JSON, for programs")
	cmd.AddCommand(d.suppressed(), d.suppressAdd(), d.suppressRemove(), d.suppressCheck(), d.suppressImport(), d.suppressExport())
	return cmd
}

func (d *desk) suppressed() *cobra.Command {
	var offset int
	cmd := &cobra.Command{
		Use: "list [channel]", Short: "Who gets nothing, masked, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			channels := args
			if len(args) == 0 {
				channels = []string{"sms", "email", "whatsapp"}
			}
			type list struct {
				Total    int           `json:"total"`
				Offset   int           `json:"offset"`
				Complete bool          `json:"complete"`
				Entries  []entryAnswer `json:"entries"`
			}
			answers := map[string]list{}
			for _, channel := range channels {
				var one list
				if err := d.call(cmd.Context(), http.MethodGet, "/suppressed/"+url.PathEscape(channel)+"?offset="+strconv.Itoa(offset), nil, &one); err != nil {
					return err
				}
				answers[channel] = one
			}
			return d.show(cmd.OutOrStdout(), answers, func(w io.Writer) {
				for _, channel := range channels {
					one := answers[channel]
					if one.Total == 0 {
						_, _ = fmt.Fprintf(w, "nobody on %s\n", channel)
						continue
					}
					printEntries(w, one.Entries)
					if rest := one.Total - offset - len(one.Entries); rest > 0 {
						_, _ = fmt.Fprintf(w, "and %d more on %s: --offset %d, or ringup suppress export\n", rest, channel, offset+len(one.Entries))
					}
				}
			})
		},
	}
	cmd.Flags().IntVar(&offset, "offset", 0, "leave out so many")
	return cmd
}

func printEntries(w io.Writer, entries []entryAnswer) {
	if len(entries) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "CHANNEL\tWHO\tWHY\tSINCE\tBY\tSENDER")
	for _, e := range entries {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Channel, e.Address, e.Why, e.Since.UTC().Format(time.DateTime), printable(e.By), printable(e.Sender))
	}
}

// address is what was typed, or the first line of standard input.
func address(cmd *cobra.Command, typed string) (string, error) {
	if typed != "-" {
		return typed, nil
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// changeList asks for an address to be put on a list, or taken off it; false says that it was so already.
func (d *desk) changeList(cmd *cobra.Command, what, channel, typed, why string) (bool, error) {
	who, err := address(cmd, typed)
	if err != nil {
		return false, err
	}
	var answer struct {
		Changed bool `json:"changed"`
	}
	err = d.call(cmd.Context(), http.MethodPost, "/suppressed/"+what, map[string]any{"channel": channel, "address": who, "why": why}, &answer)
	return answer.Changed, err
}

func (d *desk) suppressAdd() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "add <channel> <address>", Short: "Send an address nothing more on a channel", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed, err := d.changeList(cmd, "add", args[0], args[1], why)
			if err != nil {
				return err
			}
			if !changed {
				return &ExitError{ExitNothing, fmt.Errorf("the address is on the list of %s already", args[0])}
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the address gets nothing on %s from now on\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	return cmd
}

func (d *desk) suppressRemove() *cobra.Command {
	var why string
	var yes bool
	cmd := &cobra.Command{
		Use: "remove <channel> <address>", Short: "Send an address messages again: only when they asked for it", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := confirm(cmd, "Take the address off the list of "+args[0]+"? Whoever said so themselves has to have asked for messages again."); err != nil {
					return err
				}
			}
			changed, err := d.changeList(cmd, "remove", args[0], args[1], why)
			if err != nil {
				return err
			}
			if !changed {
				return notListed(args[0])
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "the address may be written to on %s again\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func notListed(channel string) error {
	return &ExitError{ExitNothing, fmt.Errorf("the address is not on the list of %s", channel)}
}

func (d *desk) suppressCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check <channel> <address>", Short: "Whether an address gets nothing on a channel, and why", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := address(cmd, args[1])
			if err != nil {
				return err
			}
			var answer struct {
				Suppressed bool         `json:"suppressed"`
				Entry      *entryAnswer `json:"entry,omitempty"`
			}
			if err := d.call(cmd.Context(), http.MethodPost, "/suppressed/check", map[string]any{"channel": args[0], "address": who}, &answer); err != nil {
				return err
			}
			if answer.Entry == nil {
				return notListed(args[0])
			}
			return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printEntries(w, []entryAnswer{*answer.Entry}) })
		},
	}
}

func (d *desk) suppressImport() *cobra.Command {
	var channel, why string
	var partial bool
	cmd := &cobra.Command{
		Use: "import <file>", Short: "Put a file of addresses on the lists; - reads standard input", Args: cobra.ExactArgs(1),
		Long: "Put a file of addresses on the lists: CSV with the columns channel, address and perhaps why (what `ringup suppress export` writes is one), or one\n" +
			"address a line. Up to 100,000 lines. Every wrong line is named, and then nothing is imported, unless --partial leaves those lines out.",
		RunE: func(cmd *cobra.Command, args []string) error {
			file := io.NopCloser(cmd.InOrStdin())
			if args[0] != "-" {
				opened, err := os.Open(args[0])
				if err != nil {
					return err
				}
				file = opened
			}
			defer func() { _ = file.Close() }()
			return d.importFile(cmd, file, url.Values{"channel": {channel}, "why": {why}, "partial": {strconv.FormatBool(partial)}})
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "of lines that name none: sms, email or whatsapp")
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	cmd.Flags().BoolVar(&partial, "partial", false, "leave out lines that are wrong")
	return cmd
}

func (d *desk) importFile(cmd *cobra.Command, file io.Reader, query url.Values) error {
	for name, values := range query {
		if values[0] == "" {
			query.Del(name)
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), deskTimeout)
	defer cancel()
	resp, err := d.ask(ctx, http.MethodPost, "/suppressed/import?"+query.Encode(), "text/csv", file)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return fmt.Errorf("the answer broke off; import the file again: %w", err)
	}
	var answer importAnswer
	jsonErr := json.Unmarshal(text, &answer)
	for _, w := range answer.Wrong {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "line %d: %s\n", w.Line, w.Problem)
	}
	if resp.StatusCode != http.StatusOK {
		return d.refused(resp.StatusCode, text)
	}
	if jsonErr != nil {
		return fmt.Errorf("%s did not answer with JSON: is the admin program there?", d.url)
	}
	return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%d added, %d were there already, %d left out\n", answer.Added, answer.Already, len(answer.Wrong))
	})
}

func (d *desk) suppressExport() *cobra.Command {
	var channel, why string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the lists as CSV, addresses in full (ADMIN_REVEAL)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]string{"why": why}
			if channel != "" {
				body["channel"] = channel
			}
			text, err := json.Marshal(body)
			if err != nil {
				return err
			}
			resp, err := d.ask(cmd.Context(), http.MethodPost, "/suppressed/export", "application/json", strings.NewReader(string(text)))
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // without it, the status has to do
				return d.refused(resp.StatusCode, text)
			}
			if _, err := io.Copy(cmd.OutOrStdout(), resp.Body); err != nil {
				return fmt.Errorf("the export broke off, and is not whole: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "of this one alone")
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	return cmd
}
