// Command resolve asks senders for what their webhooks leave out, and enqueues the messages. It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // the image has no files of time zones

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/telemetry"
)

func main() { app.Main("resolve", run) }

func run(ctx context.Context) error {
	app.RelaxGC()
	config, err := resolve.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return app.Invalid(err)
	}
	program, err := resolve.New(ctx, config, telemetry.NewLogger(config.Log, os.Stdout))
	if err != nil {
		return app.Invalid(err)
	}
	return program.Run(ctx)
}
