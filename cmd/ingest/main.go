// Command ingest takes webhooks over HTTP and puts their jobs into Redis. It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/opsserver"
)

func main() {
	opsserver.RelaxGC()
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "ingest: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := ingest.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	server, err := ingest.New(config, opsserver.NewLogger(config.Ops, os.Stdout))
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
