package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redisstore"
	senders "ringup.dev/ringup/internal/sender/catalog"
)

// finding is the result of one check.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Text string `json:"text"` // the problem and what to do; or what is well
}

// probeTimeout bounds each question to Redis or a provider.
const probeTimeout = 10 * time.Second

// maxSkew is how far Redis's clock may be from this machine's before times look wrong to people. Nothing else depends on this machine's.
const maxSkew = 2 * time.Second

// Doctor returns the command that checks the environment of the programs.
func Doctor(env envconfig.Lookuper) *cobra.Command {
	var asJSON bool
	var program string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, Redis, credentials, templates and clocks",
		Long: "Read the environment as ingest, the workers of all channels, the admin program and, where RESOLVE_SENDERS or a token is set, resolve would, and check it: settings;\n" +
			"Redis's version, persistence, eviction and users; the providers' credentials; the senders' tokens; templates; clocks. Nothing is changed and nothing is sent.\n" +
			"With --program it reads the environment as that program alone, as in its pod, and also asks whether the program's Redis user has its rights.\n" +
			"It succeeds when all checks pass.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if program != "" && !slices.Contains(programs, program) {
				return usage("there is no program %q: use %s", program, strings.Join(programs, ", "))
			}
			findings := examine(cmd.Context(), env, program)
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				if err := encoder.Encode(findings); err != nil {
					return err
				}
			} else {
				report(cmd.OutOrStdout(), findings)
			}
			bad := 0
			for _, f := range findings {
				if !f.OK {
					bad++
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d checks found something wrong", bad, len(findings))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	cmd.Flags().StringVar(&program, "program", "", "check one program: "+"ingest, admin, worker (of CHANNEL), resolve")
	return cmd
}

// programs are the values of --program. They are redisstore's, since each has a Redis user; resolve has the workers'.
var programs = []string{string(redisstore.Ingest), string(redisstore.Admin), string(redisstore.Worker), string(redisstore.Resolve)}

func report(w io.Writer, findings []finding) {
	for _, f := range findings {
		mark := "ok   "
		if !f.OK {
			mark = "WRONG"
		}
		lines := strings.Split(f.Text, "\n")
		_, _ = fmt.Fprintf(w, "%s  %-22s %s\n", mark, f.What, lines[0])
		for _, line := range lines[1:] {
			_, _ = fmt.Fprintf(w, "%30s%s\n", "", line)
		}
	}
}

// channelEnv is the environment of a channel's worker.
type channelEnv struct {
	envconfig.Lookuper
	channel message.Channel
}

func (e channelEnv) Lookup(key string) (string, bool) {
	if key == "CHANNEL" {
		return string(e.channel), true
	}
	return e.Lookuper.Lookup(key)
}

// examine checks one program, or all where it is "".
func examine(ctx context.Context, env envconfig.Lookuper, program string) []finding {
	var out []finding
	add := func(what string, err error, well string) {
		if err != nil {
			well = err.Error()
		}
		out = append(out, finding{what, err == nil, well})
	}
	checks := func(p redisstore.Program) bool { return program == "" || program == string(p) }
	channels := message.Channels
	if checks(redisstore.Ingest) {
		ingest, err := ingest.Load(ctx, env)
		add("ingest", err, "its settings are well")
		if len(ingest.Staff.Channels) > 0 {
			channels = slices.DeleteFunc(slices.Clone(channels), func(c message.Channel) bool { return !slices.Contains(ingest.Staff.Channels, string(c)) })
		}
	}
	if checks(redisstore.Worker) {
		if program != "" {
			own, _ := env.Lookup("CHANNEL")
			channels = []message.Channel{message.Channel(own)}
		}
		for _, channel := range channels {
			examineWorker(ctx, env, channel, add)
		}
	}
	if checks(redisstore.Admin) {
		_, err := admin.Load(ctx, env)
		add("admin", err, "its settings are well")
	}
	if program == string(redisstore.Resolve) || program == "" && resolves(env) {
		examineResolve(ctx, env, add)
	}
	if program != string(redisstore.Worker) { // which alone looks at one queue
		channels = message.Queues
	}
	return append(out, examineRedis(ctx, env, redisstore.Program(program), channels)...)
}

// resolves says whether the environment has something of the program resolve.
func resolves(env envconfig.Lookuper) bool {
	names := []string{"RESOLVE_SENDERS"}
	for _, t := range senders.Tokens {
		names = append(names, t.Variable, t.Variable+"_FILE")
	}
	return slices.ContainsFunc(names, func(name string) bool {
		value, _ := env.Lookup(name)
		return value != ""
	})
}

// examineResolve checks the program resolve, that each of the senders takes its token, and that there is a token for each sender that ingest leaves to it.
func examineResolve(ctx context.Context, env envconfig.Lookuper, add func(string, error, string)) {
	c, err := resolve.Load(ctx, env)
	if err != nil {
		add("resolve", err, "")
		return
	}
	probes, err := resolve.Probe(ctx, c, probeTimeout)
	add("resolve", err, "its settings are well")
	var asked senders.ResolveConfig
	if config.Read(ctx, env, &asked) != nil {
		return
	}
	for _, name := range asked.Senders {
		if !slices.ContainsFunc(probes, func(p resolve.Probed) bool { return p.Name == name }) {
			add("asking "+name, errors.New("it has no token, and RESOLVE_SENDERS names it: its webhooks wait. Set its token, or take it out"), "")
		}
	}
	for _, p := range probes {
		add("asking "+p.Name, p.Err, "it answers, and takes the token")
		if !slices.Contains(asked.Senders, p.Name) {
			add("asking "+p.Name, errors.New("RESOLVE_SENDERS does not name it: ingest sends its webhooks as they are. Add it"), "")
		}
	}
}

// examineWorker checks the workers of a channel.
func examineWorker(ctx context.Context, env envconfig.Lookuper, channel message.Channel, add func(string, error, string)) {
	own := channelEnv{env, channel}
	c, err := worker.Load(ctx, own)
	if err != nil {
		add("worker "+string(channel), err, "")
		return
	}
	probes, err := worker.Probe(ctx, c, own, probeTimeout)
	add("worker "+string(channel), err, "its settings and templates are well")
	for _, p := range probes {
		add(string(channel)+" through "+p.Name, p.Err, "it answers, and takes the credentials")
	}
}

// examineSettings names the running programs whose settings differ. That is no error: a rollout ends it, and doctor runs before one.
func examineSettings(ctx context.Context, store *redisstore.Store, channels []message.Channel) (out []finding) {
	for _, channel := range channels {
		state, err := store.State(ctx, channel)
		if err == nil && len(state.SettingsDiffer) > 0 {
			out = append(out, finding{"settings on " + string(channel), true, "programs run with different settings: restart them (" + strings.Join(state.SettingsDiffer, ", ") + ")"})
		}
	}
	return out
}

// examineRedis checks Redis, and with a program whether its user has its rights.
func examineRedis(ctx context.Context, env envconfig.Lookuper, program redisstore.Program, channels []message.Channel) []finding {
	var c redisstore.Config
	if config.Read(ctx, env, &c) != nil || c.Validate() != nil {
		return nil // said above, by every program
	}
	store, err := redisstore.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil // as above
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	h, err := store.Examine(ctx)
	if err != nil {
		return []finding{{"Redis", false, err.Error() + "\n" + redisstore.Advice(err)}}
	}
	out := []finding{{"Redis", true, "version " + h.Version}}
	for _, w := range h.Warnings {
		out = append(out, finding{"Redis", false, w})
	}
	if program == "" || program == redisstore.Worker || program == redisstore.Resolve {
		if warning := store.Blocking(ctx); warning != "" {
			out = append(out, finding{"Redis", false, warning})
		}
	}
	if program != "" {
		rights := finding{"Redis user", true, "it has the rights of " + string(program)}
		if err := store.Ready(program, channels...)(ctx); err != nil {
			rights.OK, rights.Text = false, err.Error()
		}
		out = append(out, rights)
	}
	out = append(out, examineSettings(ctx, store, channels)...)
	clock := finding{"clocks", h.Skew.Abs() <= maxSkew, "Redis's clock and this machine's agree"}
	if !clock.OK {
		clock.Text = fmt.Sprintf("Redis's clock is %s from this machine's: run NTP on both, or ages look wrong", h.Skew.Round(time.Millisecond))
	}
	return append(out, clock)
}
