// Command worker sends the messages of one channel (CHANNEL). It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // the image has no files of time zones

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/telemetry"
)

func main() { app.Main("worker", run) }

func run(ctx context.Context) error {
	app.RelaxGC()
	config, err := worker.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return app.Invalid(err)
	}
	program, err := worker.New(ctx, config, envconfig.OsLookuper(), telemetry.NewLogger(config.Log, os.Stdout))
	if err != nil {
		return app.Invalid(err)
	}
	return program.Run(ctx)
}
