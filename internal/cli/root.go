package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// Root returns the command that has the given ones below it. Wrong flags, arguments and names of commands end with ExitUsage.
func Root(commands ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{Use: "ringup", Short: "Point-of-sale webhooks to SMS, e-mail and WhatsApp", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(commands...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage("%w; see %s --help", err, c.CommandPath()) })
	checkArguments(root)
	complete(root)
	return root
}

// checkArguments makes errors of arguments those of usage, for a command and all below it. A command that only has others below it shows its help, and knows no
// other names.
func checkArguments(c *cobra.Command) {
	if c.HasSubCommands() && !c.Runnable() {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		c.Args = cobra.NoArgs
	}
	if check := c.Args; check != nil {
		c.SuggestionsMinimumDistance = 2
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil {
				return nil
			}
			return misplaced(c, args, err)
		}
	}
	for _, below := range c.Commands() {
		checkArguments(below)
	}
}

// misplaced is the error of arguments that a command does not take; err is cobra's.
func misplaced(c *cobra.Command, args []string, err error) error {
	switch {
	case c.HasSubCommands():
	case strings.HasPrefix(err.Error(), "unknown command"): // of cobra.NoArgs
		return usage("%s takes no arguments: %q is one", c.CommandPath(), args[0])
	default:
		return usage("%w; see %s --help", err, c.CommandPath())
	}
	also := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		also = "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return usage("%s has no command %q%s", c.CommandPath(), args[0], also)
}
