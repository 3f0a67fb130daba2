package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
)

func (c *adminClient) suppressImport() *cobra.Command {
	var channel, why string
	var partial bool
	cmd := &cobra.Command{
		Use: "import <file>", Short: "Put a file of addresses on the lists; - reads standard input", Args: cobra.ExactArgs(1),
		Long: "Put a file of addresses on the lists: CSV with the columns channel, address and perhaps why (as `ringup suppress export` writes it), or one\n" +
			"address per line. Up to 100,000 lines. Every wrong line is named, and then nothing is imported, unless --partial leaves those lines out.",
		RunE: func(cmd *cobra.Command, args []string) error {
			file := io.NopCloser(cmd.InOrStdin())
			if args[0] != "-" {
				opened, err := os.Open(args[0])
				if err != nil {
					return err
				}
				file = opened
			}
			defer func() { _ = file.Close() }()
			return c.importFile(cmd, file, url.Values{"channel": {channel}, "why": {why}, "partial": {strconv.FormatBool(partial)}})
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "of lines that name none: sms, email or whatsapp")
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	cmd.Flags().BoolVar(&partial, "partial", false, "leave wrong lines out")
	return cmd
}

func (c *adminClient) importFile(cmd *cobra.Command, file io.Reader, query url.Values) error {
	for name, values := range query {
		if values[0] == "" {
			query.Del(name)
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), callTimeout)
	defer cancel()
	resp, err := c.request(ctx, http.MethodPost, "/suppressed/import?"+query.Encode(), "text/csv", file)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer broke off; import the file again: %w", err)
	}
	var answer admin.ImportResult
	_ = json.Unmarshal(text, &answer) // a refusal names wrong lines too; read tells whether it is JSON
	for _, line := range answer.Wrong {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "line %d: %s\n", line.Line, plain(line.Problem))
	}
	if err := c.read(resp.StatusCode, text, &answer); err != nil {
		return err
	}
	return c.show(cmd.OutOrStdout(), answer, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%d added, %d were there already, %d left out\n", answer.Added, answer.Already, len(answer.Wrong))
	})
}

func (c *adminClient) suppressExport() *cobra.Command {
	var channel, why string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the lists as CSV, addresses masked and with the persons' keys (ADMIN_REVEAL)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := json.Marshal(admin.ExportRequest{Channel: message.Channel(channel), Why: why})
			if err != nil {
				return err
			}
			resp, err := c.request(cmd.Context(), http.MethodPost, "/suppressed/export", "application/json", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // without it, the status has to do
				return c.refused(resp.StatusCode, text)
			}
			if _, err := io.Copy(cmd.OutOrStdout(), resp.Body); err != nil {
				return fmt.Errorf("the export broke off, and is not whole: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "only this channel's")
	cmd.Flags().StringVar(&why, "why", "", "for the audit log")
	return cmd
}
