package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/generic"
)

// Send returns the command that posts a webhook.
func Send(env envconfig.Lookuper) *cobra.Command {
	var url, file string
	var given payloadFlags
	var native nativeFlags
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Post a webhook, signed, as a POS would",
		Long: "Post a webhook, with WEBHOOK_AUTH_TOKEN as its token and signed with WEBHOOK_SECRET, and print the answer. Missing fields are the " +
			"sample's.\nWith --as, post a webhook of another sender in that sender's form, signed with the sender's key (`ringup senders` names its variable): a sample, of a sale that was made now.\n" +
			"The command succeeds when the webhook is accepted.",
		Example: "  ringup send --phone +12025550143 --event order_create\n  ringup send --file webhook.json --url https://ringup.example.com\n  ringup send --as shopify --topic orders/paid",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if native != (nativeFlags{}) {
				if file != "" || given != (payloadFlags{}) {
					return usage("--as posts the sample of a topic: it goes with --topic, --key and --url alone")
				}
				return native.send(cmd, env, url)
			}
			var credentials webhookConfig
			if err := config.Read(cmd.Context(), env, &credentials); err != nil {
				return err
			}
			payload, err := given.payload(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			answer, err := postWebhook(cmd.Context(), credentials, url, payload)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(answer.Body)))
			if answer.Status != http.StatusAccepted && answer.Status != http.StatusOK { // 200 for a test order
				return fmt.Errorf("ingest answered HTTP %d: the webhook was not accepted", answer.Status)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	native.flags(flags)
	flags.StringVar(&url, "url", "http://localhost:3000", "the address of ingest")
	flags.StringVar(&given.event, "event", "", "the event type: "+event.Names()+" (pos_save)")
	flags.StringVar(&given.id, "id", "", "the webhook's id; the same one again sends nothing twice (a new one)")
	flags.StringVar(&given.phone, "phone", "", "the customer's number")
	flags.StringVar(&given.email, "email", "", "the customer's e-mail address")
	flags.StringVar(&file, "file", "", "a payload, in whole or in part; - reads standard input")
	flags.BoolVar(&given.nobody, "nobody", false, "without a customer's address: only the default recipients get a message")
	return cmd
}

// payloadFlags are the fields that flags set; "" leaves a field as it is.
type payloadFlags struct {
	event, id, phone, email string
	nobody                  bool // no customer's address
}

// payload fills a file, which may be missing or partial, up with the flags and then with the sample's fields.
func (f *payloadFlags) payload(stdin io.Reader, file string) ([]byte, error) {
	given := map[string]json.RawMessage{}
	if file != "" {
		text, err := read(stdin, file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &given); err != nil {
			return nil, fmt.Errorf("%s is not a JSON object: %w", file, err)
		}
	}
	data := map[string]json.RawMessage{}
	if raw, found := given["data"]; found {
		if err := json.Unmarshal(raw, &data); err != nil {
			return nil, errors.New("its data is not a JSON object")
		}
	}
	set := func(object map[string]json.RawMessage, name, value string) {
		if value != "" {
			object[name], _ = json.Marshal(value) // a text always can be
		}
	}
	set(given, "id", f.id)
	set(given, "event_type", f.event)
	set(data, "customerPhone", f.phone)
	set(data, "customerEmail", f.email)
	if f.nobody {
		data["customerPhone"], data["customerEmail"] = json.RawMessage(`""`), json.RawMessage(`""`)
	}
	given["data"], _ = json.Marshal(data)
	partial, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	return generic.WithDefaults(partial, fmt.Sprintf("sent_%d", time.Now().UnixNano()), time.Now())
}

func read(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file) //nolint:gosec // the person at the terminal names it
}
