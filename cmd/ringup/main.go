// Command ringup is for people: `ringup dev` runs everything in one process, `ringup status` says how it is, `ringup search` and `ringup tail` show messages and their statuses, `ringup send` posts a webhook, `ringup queue` shows the queues
// and repairs them, `ringup suppress` manages the suppression list, `ringup spending` adds up costs, `ringup forget` deletes a person's data,
// `ringup render` prints the messages of a webhook, `ringup senders` says how other systems reach it and whether they do, `ringup doctor` checks the environment.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image has no files of time zones, and a laptop may not either

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/app/dev"
	"ringup.dev/ringup/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	env := envconfig.OsLookuper()
	root := cli.Root(devCommand(), cli.Status(env), cli.Search(env), cli.Tail(env), cli.Send(env), cli.Queue(env), cli.Suppress(env), cli.Spending(env), cli.Forget(env), cli.Doctor(env), cli.Render(env), cli.Senders(env), cli.Version())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "ringup: %v\n", err)
		stop()
		os.Exit(cli.Code(err))
	}
}

func devCommand() *cobra.Command {
	var host string
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process: embedded Redis, sandbox providers, the outbox to look at",
		Long:  "Run everything in one process. It is configured by the environment, as the programs it stands for: docs/configuration.md.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := dev.New(cmd.Context(), envconfig.OsLookuper(), host, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return server.Run(cmd.Context())
		},
	}
	command.Flags().StringVar(&host, "host", dev.Loopback, "address to listen on; 0.0.0.0 lets other machines in, also to the test endpoints, which take no token")
	return command
}
