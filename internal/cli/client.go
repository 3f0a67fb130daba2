package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
)

// operatorConfig is how the commands sign in.
type operatorConfig struct {
	// Token of the admin program.
	Token secret.Key `env:"ADMIN_TOKEN"`
	// URL of the admin program, where --url gives none.
	URL string `env:"RINGUP_URL, default=http://localhost:8080"`
}

// adminClient calls the admin program's API, whose types are admin's, and prints the answers.
type adminClient struct {
	env  envconfig.Lookuper
	url  string
	json bool
}

const (
	callTimeout = 30 * time.Second
	// maxAnswer bounds an answer: an import names up to 100,000 wrong lines.
	maxAnswer = 32 << 20
)

// flags adds those of every command that calls the API; a command with others below it hands them on.
func (c *adminClient) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.url, "url", "", "the address of the admin program (RINGUP_URL, http://localhost:8080)")
	f.BoolVar(&c.json, "json", false, "print JSON, for programs")
}

// call sends a body as JSON, none when it is nil, and reads the answer into into. Errors say what to do; ExitNothing is a 404.
func (c *adminClient) call(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.request(ctx, method, path, "application/json", sent)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return c.read(resp.StatusCode, text, into)
}

// read reads an answer, or returns the error that it is.
func (c *adminClient) read(status int, text []byte, into any) error {
	if status != http.StatusOK {
		return c.refused(status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s did not answer with JSON: is the admin program there?", c.url)
	}
	return nil
}

// request sends a request, signed in. The answer may have any status.
func (c *adminClient) request(ctx context.Context, method, path, mediaType string, sent io.Reader) (*http.Response, error) {
	var operator operatorConfig
	if err := config.Read(ctx, c.env, &operator); err != nil {
		return nil, err
	}
	c.url = cmp.Or(c.url, operator.URL)
	base, err := url.Parse(c.url)
	if err != nil || base.Host == "" {
		return nil, usage("--url %q, or RINGUP_URL, is no address: give one as http://localhost:8080", c.url)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base.String(), "/")+api.Path+path, sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", mediaType)
	if operator.Token != "" {
		r.Header.Set("Authorization", "Bearer "+operator.Token.Reveal())
	}
	if u, err := user.Current(); err == nil {
		r.Header.Set("X-Operator", u.Username)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the admin program does not answer at %s (--url; in a cluster: kubectl port-forward service/ringup-admin 8080:80): %w", c.url, err)
	}
	return resp, nil
}

// refused is the error of an answer that is not 200.
func (c *adminClient) refused(status int, text []byte) error {
	var problem struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(text, &problem) // a proxy may have answered
	switch {
	case status == http.StatusUnauthorized:
		return errors.New("ADMIN_TOKEN is not the admin program's: export the value that it was started with")
	case status == http.StatusNotFound && problem.Detail != "":
		return &ExitError{ExitNothing, errors.New(plain(problem.Detail))}
	case problem.Detail != "":
		return errors.New(plain(problem.Detail))
	}
	return fmt.Errorf("%s answered HTTP %d: is the admin program there?", c.url, status)
}

// show prints an answer: as JSON, or as the table that a function writes, its cells separated by tabs.
func (c *adminClient) show(w io.Writer, answer any, table func(io.Writer)) error {
	if c.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(t)
	return t.Flush()
}
