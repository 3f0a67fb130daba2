package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// choices are the values of arguments and flags by the name that they have in a command's usage line and among its flags.
var choices = map[string][]string{
	"channel": names(message.Channels),
	"event":   strings.Split(event.Names(), ", "),
	"status": names([]queue.Status{queue.StatusQueued, queue.StatusScheduled, queue.StatusSending, queue.StatusSent, queue.StatusFailed, queue.StatusDelivered, queue.StatusRead,
		queue.StatusSuppressed, queue.StatusSuperseded, queue.StatusStale}),
	"program": programs,
}

func names[T ~string](values []T) (out []string) {
	for _, one := range values {
		out = append(out, string(one))
	}
	return out
}

// complete has a shell complete the arguments and flags of a command, and of all below it.
func complete(c *cobra.Command) {
	for name, values := range choices {
		if c.LocalFlags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // its only error: it is there already
		}
	}
	var arguments [][]string
	for _, one := range strings.Fields(c.Use)[1:] {
		one = strings.Trim(one, "[]<>")
		values := choices[one]
		if strings.Contains(one, "|") {
			values = strings.Split(one, "|")
		}
		arguments = append(arguments, values)
	}
	if len(arguments) > 0 && arguments[0] != nil && c.ValidArgsFunction == nil {
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) >= len(arguments) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return arguments[len(args)], cobra.ShellCompDirectiveNoFileComp
		}
	}
	for _, below := range c.Commands() {
		complete(below)
	}
}
