// Command chaos breaks things while ringup works. It counts every webhook that was answered 202, and every message that a provider
// accepted. The programs are the real ones, on a real Redis with an append-only file; the providers are emulated. The faults come from a
// seed, so the schedule of a run can be repeated, though not what each fault hits. A run fails if an accepted message is unaccounted for,
// or if one was sent twice without a reason in its history.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// quiet keeps the client library from logging every lost connection into the timeline.
type quiet struct{}

// Printf prints nothing.
func (quiet) Printf(context.Context, string, ...any) {}

func main() {
	redis.SetLogger(quiet{})
	var o options
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano()%1_000_000, "seed of the schedule of faults")
	flag.DurationVar(&o.during, "duration", 3*time.Minute, "how long there are faults; afterwards every message has to arrive")
	flag.Float64Var(&o.rate, "rate", 40, "webhooks per second")
	flag.StringVar(&o.topology, "topology", standalone, "kind of Redis: "+strings.Join(topologies, ", ")+", or all, one after the other")
	flag.StringVar(&o.fsync, "fsync", fsyncAlways, "Redis's appendfsync; with everysec, a kill of its process may lose writes that it acknowledged")
	flag.StringVar(&o.only, "only", "", "only faults whose name has one of these parts, separated by commas")
	flag.IntVar(&o.replicas, "replicas", 1, "replicas of each master")
	flag.BoolVar(&o.minReplicas, "min-replicas", false, "Redis refuses writes that its replica does not follow (min-replicas-to-write 1, min-replicas-max-lag 1)")
	flag.BoolVar(&o.clocks, "clocks", true, "the clocks of ringup's programs jump, too; they are built with another time.Now for it, which takes a minute the first time")
	flag.StringVar(&o.broken, "broken", "", "build ringup with a mistake, which the run has to catch: "+strings.Join(names(), ", ")+", or all")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	err := start(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel was called
	}
}

// fsyncAlways is the only policy under which Redis has written everything that it acknowledges. Under everysec it postpones a write for up
// to two seconds while an fsync runs.
const fsyncAlways = "always"

// options of a run.
type options struct {
	seed   int64
	during time.Duration
	rate   float64
	broken string

	topology    string
	fsync       string
	only        string
	replicas    int
	minReplicas bool
	clocks      bool
}

// start makes the runs that the options ask for: one per topology and build. Every broken build has to be caught.
func start(ctx context.Context, o options, out io.Writer) error {
	kinds := []string{o.topology}
	if o.topology == "all" {
		kinds = topologies
	}
	builds := []string{o.broken}
	if o.broken == "all" {
		builds = names()
	}
	for _, o.topology = range kinds {
		for _, o.broken = range builds {
			if err := once(ctx, o, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func once(ctx context.Context, o options, out io.Writer) error {
	if o.broken == "" {
		return run(ctx, o, out)
	}
	_, _ = fmt.Fprintf(out, "== broken on purpose: %s\n", o.broken)
	err := run(ctx, o, out)
	if err == nil {
		return fmt.Errorf("%s was not caught", o.broken)
	}
	if isVerdict(err) {
		_, _ = fmt.Fprintf(out, "== caught: %v\n\n", err)
		return nil
	}
	return err
}
