package system

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

// laptop is what a newcomer has in a clone: bin/ringup, `ringup dev` with the variables that docs/senders exports, and a second terminal.
type laptop struct {
	*testing.T
	dir           string
	env           []string
	dev           *process
	ingest, admin string
}

// openLaptop starts `bin/ringup dev`, as `make run` does.
func openLaptop(t *testing.T, env []string) *laptop {
	t.Helper()
	l := &laptop{T: t, dir: t.TempDir(), env: append([]string{"PATH=" + os.Getenv("PATH")}, env...)}
	if err := os.Symlink(bin, filepath.Join(l.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	l.dev = &process{cmd: exec.Command("bin/ringup", "dev"), log: &bytes.Buffer{}}
	l.dev.cmd.Dir = l.dir
	l.dev.cmd.Env = append([]string{"PORT=0", "ADMIN_PORT=0", "OPS_PORT=0", "COALESCE=1s"}, l.env...)
	l.dev.cmd.Stdout, l.dev.cmd.Stderr = l.dev, l.dev
	if err := l.dev.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.dev.cmd.Process.Signal(syscall.SIGTERM)
		_ = l.dev.cmd.Wait()
		if t.Failed() {
			t.Log(l.dev.text())
		}
	})
	redistest.Eventually(t, "it greets", func() bool { return strings.Contains(l.dev.text(), "Ctrl-C") })
	addresses := regexp.MustCompile(`webhooks +(http://\S+)/webhooks/pos(?s:.*)outbox +(http://\S+)/outbox`).FindStringSubmatch(l.dev.text())
	if addresses == nil {
		t.Fatal("no addresses")
	}
	l.ingest, l.admin = addresses[1], addresses[2]
	return l
}

// run runs a line of a page or of the greeting, with the ports of this run, and returns what it prints.
func (l *laptop) run(line string) (string, error) {
	switch {
	case strings.Contains(line, "--url"):
	case strings.Contains(line, "ringup send "):
		line += " --url " + l.ingest
	case strings.Contains(line, "ringup senders "):
		line += " --url " + l.admin
	}
	shell := exec.CommandContext(l.Context(), "sh", "-c", line)
	shell.Dir, shell.Env = l.dir, l.env
	out, err := shell.CombinedOutput()
	return string(out), err
}

// outbox returns the messages, the latest first.
func (l *laptop) outbox() (all []sandbox.Entry) {
	l.Helper()
	r, err := http.NewRequestWithContext(l.Context(), http.MethodGet, l.admin+"/outbox", nil)
	if err != nil {
		l.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		l.Fatal(err)
	}
	return all
}

// sends runs a line that posts a webhook of a sender, and finds its messages in the outbox: three where the sender tells a number and an address. Square's payments
// have no number; Loyverse's and Clover's webhooks have neither, and are taken.
func (l *laptop) sends(sender, line string) {
	l.Helper()
	want, before := 3, len(l.outbox())
	switch sender {
	case "square":
		want = 1
	case "loyverse", "clover":
		want = 0
	}
	if out, err := l.run(line); err != nil {
		l.Errorf("%s\n%s%v", line, out, err)
		return
	}
	redistest.Eventually(l, line+": in the outbox", func() bool { return len(l.outbox()) >= before+want })
	all := l.outbox()
	if len(all) != before+want {
		l.Errorf("%s: %d messages", line, len(all)-before)
	}
	for _, m := range all[:len(all)-before] {
		if !strings.HasPrefix(m.EventID, sender+"/") || m.Text == "" {
			l.Errorf("%s: %+v", line, m)
		}
	}
}

var (
	fenced  = regexp.MustCompile("(?s)\n```(\\w*)\n(.*?)```\n")
	exports = regexp.MustCompile(`(\w+)=(\S+)`)
	topicOf = regexp.MustCompile(`--topic (\S+)`)
)

// notRun are the lines of pages that the test does not run, and why.
var notRun = map[string]string{"make run": "openLaptop does what it does"}

// commandsOf returns the lines of the fenced blocks of a page of docs/senders, and what they export.
func commandsOf(t *testing.T, page string) (lines, env []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/senders/" + page)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		if block[1] != "sh" {
			t.Errorf("%s: a block of %q: name its language sh, so that it is run", page, block[1])
		}
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			if exported, is := strings.CutPrefix(line, "export "); is {
				env = append(env, exports.FindAllString(exported, -1)...)
			} else if line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines, env
}

// TestPastedCommands does what a newcomer does: starts ringup as docs/senders says, pastes the command that it prints for each sender and each command of the pages, and
// finds the order's messages in the outbox. A page has every topic of its sender.
func TestPastedCommands(t *testing.T) {
	t.Parallel()
	commands, env := map[string][]string{}, []string{}
	pages, err := filepath.Glob("../../docs/senders/*.md")
	if err != nil || len(pages) < len(catalog.Guides) {
		t.Fatal(pages, err)
	}
	for _, path := range pages {
		page := filepath.Base(path)
		lines, exported := commandsOf(t, page)
		commands[page], env = lines, append(env, exported...)
	}
	l := openLaptop(t, env)
	for _, g := range catalog.Guides {
		printed := regexp.MustCompile(`(?m)^  ((?:SQUARE\S+ )?bin/ringup send --as ` + g.Name + ` .*)$`).FindStringSubmatch(l.dev.text())
		if printed == nil {
			t.Errorf("no command to paste for %s", g.Name)
			continue
		}
		l.sends(g.Name, printed[1])
		var topics []string
		for _, line := range commands[g.Name+".md"] {
			if topic := topicOf.FindStringSubmatch(line); topic != nil {
				topics = append(topics, topic[1])
				l.sends(g.Name, line)
			}
		}
		slices.Sort(topics)
		if want := sample.Topics(g.Name); !slices.Equal(topics, want) {
			t.Errorf("docs/senders/%s.md posts %q; there are %q", g.Name, topics, want)
		}
	}
	for page, lines := range commands {
		for _, line := range lines {
			out, err := "", error(nil)
			if notRun[line] == "" && (page == "README.md" || !topicOf.MatchString(line)) {
				out, err = l.run(line)
			}
			switch {
			case strings.Contains(line, "--topic none"): // README: it lists the right ones
				if err == nil || !strings.Contains(out, strings.Join(sample.Topics("shopify"), ", ")) {
					t.Errorf("%s: %s\n%s%v", page, line, out, err)
				}
			case err != nil:
				t.Errorf("%s: %s\n%s%v", page, line, out, err)
			}
			if sender, is := strings.CutSuffix(page, ".md"); is && strings.HasSuffix(line, "senders log") && !strings.Contains(out, strings.ToUpper(sender)) {
				t.Errorf("%s: %s prints %s", page, line, out)
			}
		}
	}
}
