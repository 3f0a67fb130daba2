package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

// Senders returns the command that says how other systems reach ringup, and whether they do.
func Senders(env envconfig.Lookuper) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "senders", Short: "How Shopify, WooCommerce, Square, Stripe, Toast, Loyverse, Clover and Lightspeed reach ringup, and whether they do", Args: cobra.NoArgs,
		Long: "For each sender the address to paste into its page, what to choose there, and the variable of its key. It reads the environment of ingest: PUBLIC_URL, and whether each key is set.\n" +
			"docs/senders has it step by step.",
		Example: "  ringup senders\n  ringup senders log\n  ringup senders replay --yes",
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
	cmd.AddCommand(sendersLog(env), changeAside(env, "replay", "Have ingest read webhooks again that are set aside"), changeAside(env, "delete", "Delete webhooks that are set aside"))
	return cmd
}

// sendersLog returns the command that shows the latest webhooks.
func sendersLog(env envconfig.Lookuper) *cobra.Command {
	c := &adminClient{env: env}
	cmd := &cobra.Command{
		Use: "log", Short: "The latest webhooks of each sender, and those that are set aside", Args: cobra.NoArgs,
		Long: "The latest webhooks of each sender with their outcomes, and those that are set aside, through the admin program's API. ADMIN_TOKEN signs in.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer admin.SenderLogs
			if err := c.call(cmd.Context(), http.MethodGet, "/senders", nil, &answer); err != nil {
				return err
			}
			return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) { printSenderLogs(w, &answer) })
		},
	}
	c.flags(cmd)
	return cmd
}

// shownDeliveries is how many of a sender's webhooks the table has; JSON has all.
const shownDeliveries = 20

func printSenderLogs(w io.Writer, logs *admin.SenderLogs) {
	if len(logs.Senders) == 0 {
		_, _ = fmt.Fprintln(w, "no sender with a form of its own has posted a webhook yet")
	}
	for _, one := range logs.Senders {
		_, _ = fmt.Fprintf(w, "%s\tWEBHOOKS\tLATEST\n", strings.ToUpper(one.Sender))
		for _, outcome := range slices.Sorted(maps.Keys(one.Outcomes)) {
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\n", cell(outcome), one.Outcomes[outcome].Count, one.Outcomes[outcome].Last.Format(time.DateTime))
		}
		_, _ = fmt.Fprintln(w)
		for _, d := range one.Latest[:min(len(one.Latest), shownDeliveries)] {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.At.Format(time.DateTime), cell(d.Topic), cell(d.Outcome), cell(strings.TrimSpace(d.Why+" "+strings.Join(d.Events, " "))))
		}
		_, _ = fmt.Fprintln(w)
	}
	if len(logs.Aside) > 0 {
		_, _ = fmt.Fprintln(w, "SET ASIDE\tSENDER\tWHY\tID")
	}
	for _, a := range logs.Aside {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", a.At.Format(time.DateTime), cell(a.Sender), cell(a.Why), cell(a.ID))
	}
}

// changeAside returns a command about webhooks that are set aside: replay or delete.
func changeAside(env envconfig.Lookuper, name, short string) *cobra.Command {
	c := &adminClient{env: env}
	var yes bool
	var request admin.AsideRequest
	cmd := &cobra.Command{
		Use: name + " [ID...]", Short: short,
		Long: short + ": those that are named, or all. It goes through the admin program's API; ADMIN_TOKEN signs in. What ingest still cannot read stays set aside.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "") {
				return usage("an id is empty: leave it out for all that are set aside")
			}
			request.IDs = args
			if !yes {
				what := "all webhooks"
				if len(args) > 0 {
					what = admin.Plural(len(args), "webhook")
				}
				if err := confirm(cmd, fmt.Sprintf("%s: %s that are set aside?", name, what)); err != nil {
					return err
				}
			}
			var answer admin.AsideResult
			if err := c.call(cmd.Context(), http.MethodPost, "/senders/"+name, request, &answer); err != nil {
				return err
			}
			if answer.Count == 0 {
				return nothing("nothing like that is set aside")
			}
			return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %d\n", name, answer.Count) })
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&request.Why, "why", "", "for the audit log")
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
	Other    *other   `json:"other,omitempty"`
}

// other is another key that turns a sender on.
type other struct {
	Variable string `json:"variable"`
	Address  string `json:"address"` // that has the key at its end, where the webhooks are not signed
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
		one := setup{Sender: g.Name, Address: address, Where: g.Title + ": " + g.Where, Tick: g.Topics(&keys), Variable: g.Variable, On: g.On(&keys)}
		if k := g.Other; k.Variable != "" {
			one.Other = &other{Variable: k.Variable, Address: address}
			if k.InPath {
				one.Other.Address += "/<" + k.Variable + ">"
			}
			if len(*g.Keys(&keys)) == 0 && one.On {
				one.Variable, one.Other.Variable = k.Variable, g.Variable
				one.Address, one.Other.Address = one.Other.Address, one.Address
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func printSetups(w io.Writer, all []setup) {
	for _, one := range all {
		on := "off: set " + one.Variable
		if one.On {
			on = "on, with the key of " + one.Variable
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\n  address\t%s\n", one.Sender, on, cell(one.Address))
		if one.Other != nil {
			_, _ = fmt.Fprintf(w, "  or\t%s, with the key of %s\n", cell(one.Other.Address), one.Other.Variable)
		}
		_, _ = fmt.Fprintf(w, "  paste it at\t%s\n  choose\t%s\n  step by step\tdocs/senders/%s.md\n\n", one.Where, strings.Join(one.Tick, ", "), one.Sender)
	}
}

// nativeFlags are those of send that name another sender.
type nativeFlags struct{ sender, topic, key string }

// senderNames are the values of --as.
func senderNames() (names []string) {
	for _, g := range catalog.Guides {
		names = append(names, g.Name)
	}
	return names
}

func (f *nativeFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.sender, "as", "", "post in the form of another sender: "+strings.Join(senderNames(), ", "))
	flags.StringVar(&f.topic, "topic", "", "of --as: the webhook's topic, in the sender's words; the error for a wrong one lists them")
	flags.StringVar(&f.key, "key", "", "of --as: the key to sign with (the first of the sender's variable)")
}

// send posts a sample in the form of a sender.
func (f *nativeFlags) send(cmd *cobra.Command, env envconfig.Lookuper, base string) error {
	guide := catalog.GuideOf(f.sender)
	if f.sender == "" {
		return usage("--topic and --key go with --as: %s", strings.Join(senderNames(), ", "))
	}
	if guide == nil {
		return usage("--as %q is no sender: use %s", f.sender, strings.Join(senderNames(), ", "))
	}
	var c catalog.Config
	if err := config.Read(cmd.Context(), env, &c); err != nil {
		return err
	}
	with := guide.For(f.topic, &c)
	key := cmp.Or(f.key, with.Keys(&c).First().Reveal())
	if key == "" {
		return usage("there is no key to sign with: set %s as ingest has it, or give --key", with.Variable)
	}
	u, err := ingestAddress(base)
	if err != nil {
		return err
	}
	address := u.JoinPath(guide.Path()).String()
	if with.InPath {
		address, key = address+"/"+key, ""
	}
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
