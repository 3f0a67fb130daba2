// Command ingest takes webhooks over HTTP and puts their jobs into Redis. It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"os"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/telemetry"
)

func main() { app.Main("ingest", run) }

func run(ctx context.Context) error {
	app.RelaxGC()
	config, err := ingest.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return app.Invalid(err)
	}
	program, err := ingest.New(config, telemetry.NewLogger(config.Log, os.Stdout))
	if err != nil {
		return err
	}
	return program.Run(ctx)
}
