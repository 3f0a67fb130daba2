package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/queue"
)

// The exit codes, besides 0.
const (
	ExitFailed  = 1 // it could not be done
	ExitUsage   = 2 // what was typed makes no sense
	ExitNothing = 3 // there was nothing to do it to
)

// ExitError ends the program with a code.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// Code is the exit code that an error asks for.
func Code(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return ExitFailed
}

func usage(format string, args ...any) error {
	return &ExitError{ExitUsage, fmt.Errorf(format, args...)}
}

// operatorConfig is how the commands sign in.
type operatorConfig struct {
	// Token of the admin program.
	Token secret.String `env:"ADMIN_TOKEN"`
}

// desk is the admin program's API.
type desk struct {
	env  envconfig.Lookuper
	url  string
	json bool
}

const deskTimeout = 30 * time.Second

// actionLimit is the least number of jobs at which an action may have stopped before it was through (admin's limits are 10,000 and more).
const actionLimit = 10_000

// call asks the API, and reads the answer into into. Errors say what to do.
func (d *desk) call(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, deskTimeout)
	defer cancel()
	resp, err := d.ask(ctx, method, path, "application/json", sent)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return d.refused(resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s did not answer with JSON: is the admin program there?", d.url)
	}
	return nil
}

// ask sends a request, signed in. The answer may be of any status.
func (d *desk) ask(ctx context.Context, method, path, kind string, sent io.Reader) (*http.Response, error) {
	var c operatorConfig
	if err := config.Read(ctx, d.env, &c); err != nil {
		return nil, err
	}
	base, err := url.Parse(d.url)
	if err != nil || base.Host == "" {
		return nil, usage("--url %q is no address: give one as http://localhost:8080", d.url)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base.String(), "/")+"/admin/api"+path, sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", kind)
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	}
	if u, err := user.Current(); err == nil {
		r.Header.Set("X-Operator", u.Username)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the admin program does not answer at %s (--url; in a cluster: kubectl port-forward service/ringup-admin 8080): %w", d.url, err)
	}
	return resp, nil
}

// refused says why the API did not do what it was asked for.
func (d *desk) refused(status int, text []byte) error {
	var problem struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(text, &problem) // a proxy may have answered
	switch {
	case status == http.StatusUnauthorized:
		return errors.New("ADMIN_TOKEN is not the admin program's: export the value that it was started with")
	case status == http.StatusNotFound && problem.Detail != "":
		return &ExitError{ExitNothing, errors.New(problem.Detail)}
	case problem.Detail != "":
		return errors.New(problem.Detail)
	}
	return fmt.Errorf("%s answered HTTP %d: is the admin program there?", d.url, status)
}

// show prints an answer: as JSON, or as people like it.
func (d *desk) show(w io.Writer, answer any, table func(io.Writer)) error {
	if d.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(t)
	return t.Flush()
}

type channelAnswer struct {
	Waiting         [4]int64         `json:"waiting"`
	Oldest          [4]time.Duration `json:"oldest"`
	Inflight        int64            `json:"inflight"`
	Retry           int64            `json:"retry"`
	Held            int64            `json:"held"`
	Failed          int64            `json:"failed"`
	Halted          string           `json:"halted"`
	SentPerSecond   float64          `json:"sent_per_second"`
	ErrorsPerSecond float64          `json:"errors_per_second"`
	Workers         []struct{}       `json:"workers"`
	Breakers        map[string]struct {
		State  string `json:"state"`
		Reason string `json:"reason"`
	} `json:"breakers"`
}

type jobAnswer struct {
	ID         string    `json:"id"`
	Place      string    `json:"place"`
	Event      string    `json:"event"`
	Recipient  string    `json:"recipient"`
	Attempts   int       `json:"attempts"`
	AcceptedAt time.Time `json:"accepted_at"`
	LastError  string    `json:"last_error"`
}

// Queue returns the commands that look into the queues and mend them.
func Queue(env envconfig.Lookuper) *cobra.Command {
	d := &desk{env: env}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "See the queues, find a job, retry, pause, drain, purge",
		Long: "See the queues and mend what went wrong, through the admin program's API. ADMIN_TOKEN signs in.\n" +
			"Exit codes: 0 done, 1 could not be done, 2 typed wrong, 3 there was nothing to do it to.",
		Example: "  ringup queue list\n  ringup queue list sms failed\n  ringup queue show TXN_67890\n  ringup queue retry --channel sms --match transient",
	}
	cmd.PersistentFlags().StringVar(&d.url, "url", "http://localhost:8080", "where the admin program is")
	cmd.PersistentFlags().BoolVar(&d.json, "json", false, "print JSON, for programs")
	cmd.AddCommand(d.list(), d.find(), d.change("retry", "Put failed or held jobs back to be sent"), d.change("delete", "Delete failed or held jobs, for good"),
		d.switchCommand("pause", "Stop sending on a channel; webhooks are still accepted"), d.switchCommand("resume", "Go on sending on a channel"), d.drain(), d.purge())
	return cmd
}

func (d *desk) list() *cobra.Command {
	var offset int
	cmd := &cobra.Command{
		Use: "list [channel [waiting|retry|held|sending|failed|completed]]", Short: "How the channels are doing, or the jobs of one", Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return d.channels(cmd)
			}
			place := "failed"
			if len(args) == 2 {
				place = args[1]
			}
			var answer struct {
				Total  int         `json:"total"`
				Offset int         `json:"offset"`
				Jobs   []jobAnswer `json:"jobs"`
			}
			if err := d.call(cmd.Context(), http.MethodGet, "/queues/"+url.PathEscape(args[0])+"/"+url.PathEscape(place)+"?offset="+strconv.Itoa(offset), nil, &answer); err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
				printJobs(w, answer.Jobs)
				if rest := answer.Total - offset - len(answer.Jobs); rest > 0 {
					_, _ = fmt.Fprintf(w, "and %d more: --offset %d\n", rest, offset+len(answer.Jobs))
				} else if answer.Total == 0 {
					_, _ = fmt.Fprintf(w, "none are %s\n", place)
				}
			})
		},
	}
	cmd.Flags().IntVar(&offset, "offset", 0, "leave out so many")
	return cmd
}

func (d *desk) channels(cmd *cobra.Command) error {
	answer := map[string]channelAnswer{}
	if err := d.call(cmd.Context(), http.MethodGet, "/queues", nil, &answer); err != nil {
		return err
	}
	return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "CHANNEL\tWAITING\tOLDEST\tSENDING\tRETRY\tHELD\tFAILED\tSENT/S\tERRORS/S\tWORKERS\tSTATE")
		for _, name := range []string{"sms", "email", "whatsapp"} {
			c := answer[name]
			var waiting int64
			var oldest time.Duration
			for i := range c.Waiting {
				waiting += c.Waiting[i]
				oldest = max(oldest, c.Oldest[i])
			}
			state := c.Halted
			for provider, b := range c.Breakers {
				state += fmt.Sprintf(" [%s: breaker %s, %s]", provider, queue.BreakerState{State: b.State}.Name(), b.Reason)
			}
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%d\t%s\n", name, waiting, oldest.Round(time.Second), c.Inflight, c.Retry, c.Held, c.Failed, c.SentPerSecond,
				c.ErrorsPerSecond, len(c.Workers), cell(strings.TrimSpace(state)))
		}
	})
}

func printJobs(w io.Writer, jobs []jobAnswer) {
	if len(jobs) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "JOB\tSTATE\tTO\tEVENT\tATTEMPTS\tACCEPTED\tLAST ERROR")
	for _, j := range jobs {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", cell(j.ID), j.Place, masked(j.Recipient), j.Event, j.Attempts, j.AcceptedAt.UTC().Format(time.DateTime),
			cell(j.LastError))
	}
}

// find shows a job, or looks for what was typed.
func (d *desk) find() *cobra.Command {
	return &cobra.Command{
		Use: "show <job, webhook, transaction, recipient, message id>", Short: "All that is known of a job, or the jobs that have a text", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var detail struct {
				ID           string     `json:"id"`
				Job          *jobAnswer `json:"job"`
				Notification *struct {
					Status    string `json:"status"`
					Recipient string `json:"recipient"`
					History   []struct {
						At        time.Time `json:"at"`
						What      string    `json:"what"`
						Attempt   int       `json:"attempt"`
						TookMs    int64     `json:"took_ms"`
						Provider  string    `json:"provider"`
						MessageID string    `json:"message_id"`
						Worker    string    `json:"worker"`
						Error     string    `json:"error"`
					} `json:"history"`
				} `json:"notification"`
				Message *struct {
					Subject string `json:"subject"`
					Text    string `json:"text"`
				} `json:"message"`
			}
			err := d.call(cmd.Context(), http.MethodGet, "/job?id="+url.QueryEscape(args[0]), nil, &detail)
			if Code(err) == ExitNothing {
				return d.search(cmd, args[0])
			}
			if err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), detail, func(w io.Writer) {
				if detail.Job != nil {
					printJobs(w, []jobAnswer{*detail.Job})
				} else {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\tit has left the queue\n", cell(detail.ID), detail.Notification.Status, masked(detail.Notification.Recipient))
				}
				if detail.Notification != nil {
					_, _ = fmt.Fprintln(w)
					for _, e := range detail.Notification.History {
						_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.UTC().Format(time.DateTime), e.What, e.Provider, cell(e.MessageID), cell(e.Error))
					}
				}
				if detail.Message != nil && detail.Message.Text != "" {
					_, _ = fmt.Fprintf(w, "\n%s\n", plain(strings.TrimSpace(detail.Message.Subject+"\n"+detail.Message.Text)))
				}
			})
		},
	}
}

func (d *desk) search(cmd *cobra.Command, text string) error {
	var answer struct {
		Jobs          []jobAnswer `json:"jobs"`
		Notifications []struct {
			ID        string `json:"id"`
			Status    string `json:"status"`
			Recipient string `json:"recipient"`
		} `json:"notifications"`
	}
	if err := d.call(cmd.Context(), http.MethodGet, "/search?q="+url.QueryEscape(text), nil, &answer); err != nil {
		return err
	}
	if len(answer.Jobs)+len(answer.Notifications) == 0 {
		return &ExitError{ExitNothing, fmt.Errorf("nothing was found for %q", text)}
	}
	return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		for _, n := range answer.Notifications {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", cell(n.ID), n.Status, masked(n.Recipient))
		}
		printJobs(w, answer.Jobs)
	})
}

// act asks for an action: first how many jobs it is about, and, when that is confirmed, for it to be done.
func (d *desk) act(cmd *cobra.Command, request map[string]any, question string, yes bool) error {
	var answer struct {
		Action  string `json:"action"`
		Channel string `json:"channel"`
		Jobs    int    `json:"jobs"`
	}
	if question != "" {
		request["dry_run"] = true
		if err := d.call(cmd.Context(), http.MethodPost, "/actions", request, &answer); err != nil {
			return err
		}
		if answer.Jobs == 0 {
			return &ExitError{ExitNothing, errors.New("there is no such job")}
		}
		if !yes {
			if err := confirm(cmd, fmt.Sprintf(question, answer.Jobs)); err != nil {
				return err
			}
		}
		request["dry_run"] = false
	}
	total, expected := 0, answer.Jobs
	for {
		if err := d.call(cmd.Context(), http.MethodPost, "/actions", request, &answer); err != nil {
			return err
		}
		total += answer.Jobs
		if answer.Jobs < actionLimit || request["ids"] != nil {
			break
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d…\n", total, max(total, expected))
	}
	answer.Jobs = total
	return d.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		if question == "" {
			_, _ = fmt.Fprintf(w, "%s: %s is done\n", answer.Channel, answer.Action)
			return
		}
		_, _ = fmt.Fprintf(w, "%s: %s is done, %d jobs\n", answer.Channel, answer.Action, answer.Jobs)
	})
}

// confirm asks who types. Where nobody can answer, --yes is needed.
func confirm(cmd *cobra.Command, question string) error {
	if file, isFile := cmd.InOrStdin().(*os.File); isFile {
		if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
			return usage("%s Nobody can answer here: add --yes", question)
		}
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	var line string
	_, _ = fmt.Fscanln(cmd.InOrStdin(), &line) // nothing is no
	if !strings.EqualFold(line, "y") && !strings.EqualFold(line, "yes") {
		return &ExitError{ExitFailed, errors.New("nothing was done")}
	}
	return nil
}

// change is retry or delete.
func (d *desk) change(action, short string) *cobra.Command {
	var channel, place, match, why string
	var yes bool
	cmd := &cobra.Command{
		Use: action + " [job…]", Short: short,
		Long: short + ": those that are named, or with --channel all of a channel's failed ones (or those of --place) " +
			"that have the text of --match in their error, payload or recipient. What was held and is put back is held again while its reason lasts.",
		RunE: func(cmd *cobra.Command, args []string) error {
			request := map[string]any{"action": action, "why": why}
			switch {
			case len(args) > 0 && match == "":
				parts := strings.Split(args[0], ":")
				if len(parts) < 3 {
					return usage("%q is no job: give <webhook>:<channel>:<number>, as `ringup queue show` lists them", args[0])
				}
				request["ids"], request["channel"] = args, parts[len(parts)-2]
			case len(args) == 0 && channel != "":
				request["channel"], request["place"], request["filter"] = channel, place, match
			default:
				return usage("name the jobs, or give --channel, with --match for some of them")
			}
			return d.act(cmd, request, strings.ToUpper(action[:1])+action[1:]+" %d jobs?", yes)
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "all failed jobs of this channel")
	cmd.Flags().StringVar(&place, "place", "failed", "with --channel: failed, held or retry")
	cmd.Flags().StringVar(&match, "match", "", "only those that have this text")
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// switchCommand is pause or resume.
func (d *desk) switchCommand(action, short string) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: action + " <channel>", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.act(cmd, map[string]any{"action": action, "channel": args[0], "why": why}, "", true)
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "for the record, and for who wonders")
	return cmd
}

// drain waits until a channel has nothing more to send.
func (d *desk) drain() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use: "drain <channel>", Short: "Wait until nothing waits or is being sent on a channel", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			deadline := time.Now().Add(limit)
			for {
				answer := map[string]channelAnswer{}
				if err := d.call(cmd.Context(), http.MethodGet, "/queues", nil, &answer); err != nil {
					return err
				}
				c, known := answer[args[0]]
				if !known {
					return usage("there is no channel %q: there are sms, email, whatsapp", args[0])
				}
				left := c.Inflight + c.Retry
				for _, n := range c.Waiting {
					left += n
				}
				if left == 0 {
					if c.Held > 0 {
						_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s is empty, but for %d that are held\n", args[0], c.Held)
						return nil
					}
					_, _ = fmt.Fprintln(cmd.ErrOrStderr(), args[0]+" is empty")
					return nil
				}
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d left, %.1f a second%s\n", args[0], left, c.SentPerSecond, map[bool]string{true: ", " + c.Halted}[c.Halted != ""])
				if time.Now().After(deadline) {
					return fmt.Errorf("%d jobs are left after %s", left, limit)
				}
				select {
				case <-cmd.Context().Done():
					return cmd.Context().Err()
				case <-time.After(2 * time.Second):
				}
			}
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", 10*time.Minute, "give up after so long")
	return cmd
}

func (d *desk) purge() *cobra.Command {
	var priority int
	var yes bool
	var why string
	cmd := &cobra.Command{
		Use: "purge <channel>", Short: "Delete what waits on a channel, for good", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.act(cmd, map[string]any{"action": "purge", "channel": args[0], "priority": priority, "why": why}, "Delete %d jobs that wait? They are not sent.", yes)
		},
	}
	cmd.Flags().IntVar(&priority, "priority", 0, "only of this priority, 1 to 4")
	cmd.Flags().StringVar(&why, "why", "", "for the record")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
