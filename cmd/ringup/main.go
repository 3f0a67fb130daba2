// Command ringup is for people: `ringup dev` runs everything in one process, `ringup send` posts a webhook, `ringup queue` shows the queues
// and repairs them, `ringup suppress` manages the suppression list, `ringup spending` adds up costs, `ringup forget` deletes a person's data,
// `ringup render` prints the messages of a webhook, `ringup doctor` checks the environment.
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
	root := &cobra.Command{Use: "ringup", Short: "Point-of-sale webhooks to SMS, e-mail and WhatsApp", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(devCommand())
	root.AddCommand(cli.Send(envconfig.OsLookuper()), cli.Queue(envconfig.OsLookuper()), cli.Suppress(envconfig.OsLookuper()),
		cli.Spending(envconfig.OsLookuper()), cli.Forget(envconfig.OsLookuper()), cli.Doctor(envconfig.OsLookuper()),
		cli.Render(envconfig.OsLookuper()), cli.Status(envconfig.OsLookuper()), cli.Search(envconfig.OsLookuper()), cli.Senders(envconfig.OsLookuper()))
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
