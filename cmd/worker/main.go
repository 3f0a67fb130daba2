// Command worker sends the messages of one channel (CHANNEL). It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image has no files of time zones

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/opsserver"
)

func main() {
	opsserver.RelaxGC()
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "worker: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := worker.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	worker, err := worker.New(ctx, config, envconfig.OsLookuper(), opsserver.NewLogger(config.Ops, os.Stdout))
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	return worker.Run(ctx)
}
