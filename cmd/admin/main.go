// Command admin serves the operators' pages. It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/opsserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "admin: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := admin.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	admin, err := admin.New(config, opsserver.NewLogger(config.Ops, os.Stdout))
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	return admin.Run(ctx)
}
