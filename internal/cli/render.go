package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider/limits"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/unsubscribe"
)

// renderFlags are the flags of Render.
type renderFlags struct {
	preview.Request
	event, file  string
	html, asJSON bool
}

// Render returns the command that prints what would go out.
func Render(env envconfig.Lookuper) *cobra.Command {
	var given renderFlags
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Print the messages of a webhook; nothing is sent",
		Long: "Print what would go out for the sample of an event type, or for a payload as it is posted to /webhooks/pos: by the settings of the environment\n" +
			"(TEMPLATES_DIR, BUSINESS_…, DEFAULT_…, PRICES, ALLOWED_COUNTRIES, SMS_PROVIDER, WHATSAPP_PROVIDER). Nothing is sent, and Redis is not needed.\n" +
			"Exit codes: 0 rendered, 1 settings, payload or a template are wrong, 2 wrong arguments.",
		Example: "  ringup render --event order_update --channel sms --locale de\n  ringup render --channel email --audience customer --html > receipt.html\n" +
			"  ringup render --file webhook.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return given.run(cmd, env) },
	}
	flags := cmd.Flags()
	flags.StringVar(&given.event, "event", "", "the event type of the sample: "+event.Names()+" (pos_save)")
	flags.StringVar(&given.Channel, "channel", "", "sms, email or whatsapp (all)")
	flags.StringVar(&given.Audience, "audience", "", "customer or staff (both)")
	flags.StringVar(&given.Locale, "locale", "", "the customer's locale, as de or pt-BR (the payload's)")
	flags.StringVar(&given.file, "file", "", "a payload; - reads standard input (the sample)")
	flags.BoolVar(&given.Bare, "bare", false, "the sample with nothing but what a webhook must have")
	flags.BoolVar(&given.html, "html", false, "print the HTML of e-mails, and nothing else")
	flags.BoolVar(&given.asJSON, "json", false, "print JSON, for programs")
	return cmd
}

func (f *renderFlags) run(cmd *cobra.Command, env envconfig.Lookuper) error {
	f.Event = event.Type(f.event)
	switch {
	case f.html && f.asJSON:
		return usage("--html and --json cannot be together: leave one of them out")
	case f.file != "" && f.event != "":
		return usage("the payload says its event type itself: leave --event out")
	case f.file != "" && f.Bare:
		return usage("--bare is of the sample: leave --file out")
	}
	if f.file != "" {
		text, err := read(cmd.InOrStdin(), f.file)
		switch {
		case err != nil:
			return err
		case len(text) == 0:
			return fmt.Errorf("%s is empty", f.file)
		}
		f.Payload = string(text)
	}
	return f.show(cmd, env)
}

// show renders, and prints.
func (f *renderFlags) show(cmd *cobra.Command, env envconfig.Lookuper) error {
	if f.html {
		if f.Channel != "" && f.Channel != string(message.Email) {
			return usage("--html is of e-mails: leave --channel out")
		}
		f.Channel = string(message.Email)
	}
	p, currency, err := previewer(cmd.Context(), env)
	if err != nil {
		return err
	}
	result, err := p.Render(&f.Request)
	if invalid, is := errors.AsType[*preview.InvalidError](err); is && f.Payload == "" {
		return usage("%w", invalid)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case f.asJSON:
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result)
	case f.html:
		for _, m := range result.Messages {
			_, _ = fmt.Fprintln(out, m.HTML)
		}
	default:
		printResult(out, result, currency)
	}
	return errors.Join(err, problems(result))
}

// problems is the error of the messages whose templates cannot be rendered; nil for none.
func problems(r *preview.Result) error {
	var errs []error
	for _, m := range r.Messages {
		if m.Problem != "" {
			errs = append(errs, fmt.Errorf("%s for the %s: %s", m.Channel, m.Audience, m.Problem))
		}
	}
	return errors.Join(errs...)
}

// previewer is made of the settings of the environment. It returns the currency of prices, too. The error has every setting that cannot work.
func previewer(ctx context.Context, env envconfig.Lookuper) (*preview.Previewer, string, error) {
	var c struct {
		Templates render.Config
		Brand     envstore.Brand
		Staff     envstore.Recipients
		Address   address.Config
		Countries address.CountriesConfig
		Prices    pricing.Config
		Links     unsubscribe.Config
		Providers struct {
			SMS      []string `env:"SMS_PROVIDER"`
			WhatsApp []string `env:"WHATSAPP_PROVIDER"`
		}
	}
	err := config.Read(ctx, env, &c.Templates, &c.Brand, &c.Staff, &c.Address, &c.Countries, &c.Prices, &c.Links, &c.Providers)
	if err := errors.Join(err, c.Brand.Validate(), c.Address.Validate(), c.Countries.Validate(), c.Prices.Validate(), c.Links.Validate()); err != nil {
		return nil, "", err
	}
	s, staffErr := c.Staff.Store(c.Address.DefaultRegion, address.Read)
	renderer, renderErr := render.New(c.Templates, c.Brand.Directory())
	prices, priceErr := pricing.NewTable(c.Prices)
	links, linkErr := unsubscribe.New(c.Links)
	if err := errors.Join(staffErr, renderErr, priceErr, linkErr); err != nil {
		return nil, "", err
	}
	countries, err := address.NewCountries(c.Countries, c.Address.DefaultRegion, s.Staff())
	if err != nil {
		return nil, "", err
	}
	s.MayWrite = countries.Check
	c.Brand.Describe(s)
	if links != nil {
		renderer.Unsubscribe = links.URL
	}
	renderer.MaxText = func(channel message.Channel) message.Limit {
		if channel == message.SMS {
			return limits.MaxText(channel, c.Providers.SMS)
		}
		return limits.MaxText(channel, c.Providers.WhatsApp)
	}
	return &preview.Previewer{Store: s, Renderer: renderer, Prices: prices}, c.Prices.Currency, nil
}

// printResult prints messages for people. What a till wrote is on lines of its own behind "| ", so that it cannot pass for ringup's words.
func printResult(w io.Writer, r *preview.Result, currency string) {
	for _, n := range r.Notes {
		_, _ = fmt.Fprintf(w, "note     %s: %s\n", cell(n.Path), cell(n.Message))
	}
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(w, "skipped  %s to %s: %s\n", s.Channel, masked(s.Address), cell(s.Reason))
	}
	if len(r.Notes)+len(r.Skipped) > 0 {
		_, _ = fmt.Fprintln(w)
	}
	for i := range r.Messages {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		printMessage(w, &r.Messages[i], currency)
	}
}

func printMessage(w io.Writer, m *preview.Message, currency string) {
	about := []string{string(m.Channel) + " for the " + m.Audience}
	if m.To != "" {
		about = append(about, "to "+masked(m.To))
	}
	switch {
	case m.Segments == 1:
		about = append(about, "1 segment")
	case m.Segments > 1:
		about = append(about, fmt.Sprintf("%d segments", m.Segments))
	}
	if m.Cost != "" {
		about = append(about, m.Cost+" "+currency)
	}
	_, _ = fmt.Fprintln(w, strings.Join(about, ", "))
	if m.Problem != "" {
		_, _ = fmt.Fprintln(w, "  cannot be rendered: "+cell(m.Problem))
		return
	}
	if m.Subject != "" {
		_, _ = fmt.Fprintln(w, "  subject: "+plain(m.Subject))
	}
	if t := m.Template; t != nil {
		_, _ = fmt.Fprintf(w, "  approved template %s (%s), in place of the text:\n", cell(t.Name), cell(t.Language))
		for i, p := range t.Parameters {
			_, _ = fmt.Fprintf(w, "  {{%d}} %s\n", i+1, plain(p))
		}
	}
	for line := range strings.SplitSeq(strings.TrimRight(m.Text, "\n"), "\n") {
		_, _ = fmt.Fprintln(w, strings.TrimRight("  | "+plain(line), " "))
	}
}
