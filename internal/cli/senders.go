package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

// Senders returns the command that says how other systems reach ringup, and whether they do.
func Senders(env envconfig.Lookuper) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "senders", Short: "How Shopify, WooCommerce, Square, Stripe and Toast reach ringup, and whether they do", Args: cobra.NoArgs,
		Long: "For each sender the address to paste into its page, what to choose there, and the variable of its key. It reads the environment of ingest: PUBLIC_URL, and whether each key is set.\n" +
			"docs/senders has it step by step.",
		Example: "  ringup senders\n  ringup senders log",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := setups(cmd.Context(), env)
			if err != nil {
				return err
			}
			c := &adminClient{json: asJSON}
			return c.show(cmd.OutOrStdout(), all, func(w io.Writer) { printSetups(w, all) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return cmd
}

// setup is how one sender is set up here.
type setup struct {
	Sender   string   `json:"sender"`
	Address  string   `json:"address"`
	Where    string   `json:"where"`
	Tick     []string `json:"tick"`
	Variable string   `json:"variable"`
	On       bool     `json:"on"`
}

// publicConfig is the address of ingest as others see it.
type publicConfig struct {
	// URL is where ingest is reached from outside.
	URL string `env:"PUBLIC_URL"`
}

// noPublicURL stands for the address of ingest where that is not set.
const noPublicURL = "https://<the public address of ingest>"

// setups returns how each sender is set up, by the environment.
func setups(ctx context.Context, env envconfig.Lookuper) ([]setup, error) {
	var keys catalog.Config
	var public publicConfig
	if err := config.Read(ctx, env, &keys, &public); err != nil {
		return nil, err
	}
	base := strings.TrimRight(cmp.Or(public.URL, noPublicURL), "/")
	var all []setup
	for _, g := range catalog.Guides {
		address := base + g.Path()
		if g.Name == "square" && keys.Square.NotificationURL != "" {
			address = keys.Square.NotificationURL // the one that is signed
		}
		all = append(all, setup{Sender: g.Name, Address: address, Where: g.Title + ": " + g.Where, Tick: g.Tick, Variable: g.Variable, On: len(*g.Keys(&keys)) > 0})
	}
	return all, nil
}

func printSetups(w io.Writer, all []setup) {
	for _, one := range all {
		on := "off: set " + one.Variable
		if one.On {
			on = "on, with the key of " + one.Variable
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\n  address\t%s\n  paste it at\t%s\n  choose\t%s\n  step by step\tdocs/senders/%s.md\n\n", one.Sender, on, cell(one.Address), one.Where, strings.Join(one.Tick, ", "), one.Sender)
	}
}

// nativeFlags are those of send that name another sender.
type nativeFlags struct{ sender, topic, key string }

func (f *nativeFlags) flags(flags *pflag.FlagSet) {
	var names []string
	for _, g := range catalog.Guides {
		names = append(names, g.Name)
	}
	flags.StringVar(&f.sender, "as", "", "post in the form of another sender: "+strings.Join(names, ", "))
	flags.StringVar(&f.topic, "topic", "", "of --as: the webhook's topic, in the sender's words; the error for a wrong one lists them")
	flags.StringVar(&f.key, "key", "", "of --as: the key to sign with (the first of the sender's variable)")
}

// send posts a sample in the form of a sender.
func (f *nativeFlags) send(cmd *cobra.Command, env envconfig.Lookuper, base string) error {
	guide := catalog.GuideOf(f.sender)
	if guide == nil {
		return usage("--as %q is no sender: `ringup senders` lists them", f.sender)
	}
	var c catalog.Config
	if err := config.Read(cmd.Context(), env, &c); err != nil {
		return err
	}
	key := cmp.Or(f.key, guide.Keys(&c).First().Reveal())
	if key == "" {
		return usage("there is no key to sign with: set %s as ingest has it, or give --key", guide.Variable)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return usage("--url %q is not the address of ingest: give one as http://localhost:3000", base)
	}
	address := u.JoinPath(guide.Path()).String()
	webhook, err := sample.New(guide.Name, f.topic, key, cmp.Or(c.Square.NotificationURL, address), time.Now())
	if err != nil {
		return usage("%v", err)
	}
	answer, err := post(cmd.Context(), address, webhook.Header, webhook.Body)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("ingest answered HTTP %d: %s", answer.Status, plain(strings.TrimSpace(string(answer.Body))))
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "ingest took %s of %s. `ringup senders log` has its outcome.\n", f.topic, guide.Title)
	return nil
}
