// Command chaos breaks things while ringup works, and counts: every webhook that was answered 202, and every message that a provider
// took. Real programs, a real Redis with an append-only file, every provider emulated. The faults come from a seed, so a run can be
// repeated (its schedule, that is: what they hit depends on the machine). It fails if one accepted message is unaccounted for, or one was
// sent twice without a reason in its history.
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
)

func main() {
	var o options
	flag.Int64Var(&o.seed, "seed", time.Now().UnixNano()%1_000_000, "of the faults' schedule")
	flag.DurationVar(&o.during, "duration", 3*time.Minute, "of the faults; then everything has to arrive")
	flag.Float64Var(&o.rate, "rate", 40, "webhooks a second")
	flag.StringVar(&o.broken, "broken", "", "build it broken on purpose, to see that it is caught: "+strings.Join(names(), ", ")+", or all")
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

// options of a run.
type options struct {
	seed   int64
	during time.Duration
	rate   float64
	broken string
}

// start makes one run, or one for each broken build, of which every one has to be caught.
func start(ctx context.Context, o options, out io.Writer) error {
	if o.broken == "" {
		return run(ctx, o, out)
	}
	which := []string{o.broken}
	if o.broken == "all" {
		which = names()
	}
	for _, name := range which {
		o.broken = name
		_, _ = fmt.Fprintf(out, "== broken on purpose: %s\n", name)
		switch err := run(ctx, o, out); {
		case err == nil:
			return fmt.Errorf("%s was not caught", name)
		case !isVerdict(err):
			return err
		default:
			_, _ = fmt.Fprintf(out, "== caught: %v\n\n", err)
		}
	}
	return nil
}
