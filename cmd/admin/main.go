// Command admin serves the operators' pages and their API. It is configured by the environment: docs/configuration.md.
package main

import (
	"context"
	"os"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/telemetry"
)

func main() { app.Main("admin", run) }

func run(ctx context.Context) error {
	config, err := admin.Load(ctx, envconfig.OsLookuper())
	if err != nil {
		return app.Invalid(err)
	}
	program, err := admin.New(config, telemetry.NewLogger(config.Log, os.Stdout))
	if err != nil {
		return app.Invalid(err)
	}
	return program.Run(ctx)
}
