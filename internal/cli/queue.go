package cli

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Queue returns the commands that look into the queues and change them.
func Queue(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "See the queues, find a job, retry, pause, drain, purge",
		Long: "See the queues and repair them, through the admin program's API. ADMIN_TOKEN signs in.\n" +
			"Exit codes: 0 done, 1 could not be done, 2 wrong arguments, 3 there was nothing to do it to.",
		Example: "  ringup queue list\n  ringup queue list sms failed\n  ringup queue list sms failed --why invalid_recipient --sort oldest\n  ringup queue show TXN_67890\n  ringup queue retry --channel sms --match transient",
	}
	c.flags(cmd)
	cmd.AddCommand(c.list(), c.find(), c.change(admin.ActionRetry, "Put failed or scheduled jobs back to be sent"),
		c.change(admin.ActionDelete, "Delete failed or scheduled jobs, for good"), c.switchCommand(admin.ActionPause, "Stop sending on a channel; webhooks are still accepted"),
		c.switchCommand(admin.ActionResume, "Go on sending on a channel"), c.drain(), c.purge())
	return cmd
}

// parseState reads a state, by its name, as in-flight, or as the API calls it, as sending. Another text is left to the API to refuse.
func parseState(text string) queue.State {
	for _, s := range queue.States {
		if strings.ReplaceAll(text, "-", " ") == admin.StateName(s) {
			return s
		}
	}
	return queue.State(text)
}

func (c *adminClient) list() *cobra.Command {
	var offset int
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use: "list [channel [waiting|retrying|scheduled|in-flight|failed|completed]]", Short: "The state of the channels, or the jobs of one", Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := listQuery(flags)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if len(query) > 0 || offset > 0 {
					return usage("say of which channel, as in: ringup queue list sms failed --why invalid_recipient")
				}
				return c.channels(cmd)
			}
			query.Set("offset", strconv.Itoa(offset))
			state := queue.Failed
			if len(args) == 2 {
				state = parseState(args[1])
			}
			var answer admin.JobList
			path := "/queues/" + url.PathEscape(args[0]) + "/" + url.PathEscape(string(state)) + "?" + query.Encode()
			if err := c.call(cmd.Context(), http.MethodGet, path, nil, &answer); err != nil {
				return err
			}
			return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
				printJobs(w, answer.Jobs)
				if rest := int(answer.Total) - offset - len(answer.Jobs); rest > 0 {
					_, _ = fmt.Fprintf(w, "and %d more: --offset %d\n", rest, offset+len(answer.Jobs))
				} else if answer.Total == 0 {
					_, _ = fmt.Fprintf(w, "no jobs are %s\n", admin.StateName(state))
				}
				if answer.More {
					_, _ = fmt.Fprintf(w, "only the first %d were looked through\n", answer.Looked)
				}
			})
		},
	}
	cmd.Flags().IntVar(&offset, "offset", 0, "leave out so many")
	for _, f := range listFlags {
		flags[f.name] = cmd.Flags().String(f.name, "", f.usage)
	}
	return cmd
}

// listFlags narrow a list down: the fields of admin.JobFilter, and the order.
var listFlags = []struct{ name, usage string }{
	{"from", "only jobs that ended, are due, or were accepted then or later: RFC 3339, or a date and a time in UTC"}, {"to", "and before then"}, {"event", "only of this event type"},
	{"store", "only of the store with this id"}, {"provider", "only of this provider, as of the latest attempt"}, {"why", "only with this text in their last error"}, {"sort", "oldest or latest, first"},
}

// listQuery reads the flags of a list; a wrong one is refused before a request is made.
func listQuery(flags map[string]*string) (url.Values, error) {
	query := url.Values{}
	for name, value := range flags {
		if *value != "" {
			query.Set(name, *value)
		}
	}
	if _, err := admin.ParseListRequest(string(message.SMS), string(queue.Failed), query); err != nil {
		return nil, usage("%v", err)
	}
	return query, nil
}

// queues asks for the state of the channels. Each that is in the answer has its state.
func (c *adminClient) queues(cmd *cobra.Command) (map[message.Channel]admin.Channel, error) {
	answer := map[message.Channel]admin.Channel{}
	if err := c.call(cmd.Context(), http.MethodGet, "/queues", nil, &answer); err != nil {
		return nil, err
	}
	for name, channel := range answer {
		if channel.ChannelState == nil {
			return nil, fmt.Errorf("%s says nothing of the queue of %s: is the admin program of this version?", c.url, cell(string(name)))
		}
	}
	return answer, nil
}

func (c *adminClient) channels(cmd *cobra.Command) error {
	answer, err := c.queues(cmd)
	if err != nil {
		return err
	}
	return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "CHANNEL\tWAITING\tOLDEST\tIN FLIGHT\tRETRYING\tSCHEDULED\tFAILED\tSENT/S\tERRORS/S\tWORKERS\tSTATE")
		for _, name := range message.Queues {
			if channel, known := answer[name]; known {
				printChannel(w, name, channel)
			}
		}
	})
}

func printChannel(w io.Writer, name message.Channel, c admin.Channel) {
	var waiting int64
	for _, n := range c.Waiting {
		waiting += n
	}
	state := []string{}
	if c.Halted.Kind != queue.NotHalted {
		state = append(state, c.Halted.String())
	}
	for _, provider := range slices.Sorted(maps.Keys(c.Breakers)) {
		b := c.Breakers[provider]
		state = append(state, fmt.Sprintf("[%s: %s, %s]", provider, admin.BreakerName(b), b.Reason))
	}
	_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%d\t%s\n", name, waiting, slices.Max(c.Oldest[:]).Round(time.Second), c.Inflight, c.Retry, c.Held,
		c.Failed, c.SentPerSecond, c.ErrorsPerSecond, len(c.Workers), cell(strings.Join(state, " ")))
}

func printJobs(w io.Writer, jobs []admin.Job) {
	if len(jobs) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "JOB\tSTATE\tTO\tEVENT\tORDER\tAMOUNT\tPROVIDER\tATTEMPTS\tACCEPTED\tLAST ERROR")
	for _, j := range jobs {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", cell(j.ID), admin.StateName(j.State), masked(j.Recipient), cell(j.Event), cell(j.Order), cell(j.Amount), cell(j.Provider), j.Attempts,
			j.AcceptedAt.UTC().Format(time.DateTime), cell(j.LastError))
	}
}

// find shows a job, or searches for a text.
func (c *adminClient) find() *cobra.Command {
	return &cobra.Command{
		Use: "show <job, webhook, transaction, recipient, message id>", Short: "All that is known of a job, or the jobs with a text", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var detail admin.Detail
			err := c.call(cmd.Context(), http.MethodGet, "/job?id="+url.QueryEscape(args[0]), nil, &detail)
			if Code(err) == ExitNothing {
				return c.search(cmd, &admin.SearchRequest{Text: args[0]})
			}
			if err != nil {
				return err
			}
			return c.show(cmd.OutOrStdout(), detail, func(w io.Writer) { printDetail(w, &detail) })
		},
	}
}

func printDetail(w io.Writer, d *admin.Detail) {
	if d.Job != nil {
		printJobs(w, []admin.Job{*d.Job})
	}
	if n := d.Notification; n != nil {
		if d.Job == nil {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\tnot in the queue any more\n", cell(d.ID), cell(admin.StatusName(n.Status)), masked(n.Recipient))
		}
		if d.MovedFrom != "" {
			_, _ = fmt.Fprintf(w, "\nfell back from %s\n", cell(d.MovedFrom))
		}
		_, _ = fmt.Fprintln(w)
		for _, e := range n.History {
			last := e.Error
			if e.What == "moved" {
				last = admin.MovedTo(n)
			}
			if e.By != "" {
				last = "by webhook " + e.By
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.UTC().Format(time.DateTime), cell(admin.EventName(e.What)), cell(e.Provider), cell(e.MessageID), cell(last))
		}
	}
	if d.Message != nil && d.Message.Text != "" {
		_, _ = fmt.Fprintf(w, "\n%s\n", plain(strings.TrimSpace(d.Message.Subject+"\n"+d.Message.Text)))
	}
}
