package system

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

// TestPastedCommands does what a newcomer does: starts `ringup dev`, pastes the command that it prints for each sender, once with each topic, and finds the order's
// messages in the outbox: three where the sender tells a number and an address. Square's payments have no number; Loyverse's and Clover's webhooks have neither, and are taken.
func TestPastedCommands(t *testing.T) {
	t.Parallel()
	dev := &process{cmd: exec.Command(filepath.Join(bin, "ringup"), "dev"), log: &bytes.Buffer{}}
	dev.cmd.Env = []string{"PORT=0", "ADMIN_PORT=0", "OPS_PORT=0", "PATH=" + os.Getenv("PATH")}
	dev.cmd.Stdout, dev.cmd.Stderr = dev, dev
	if err := dev.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dev.cmd.Process.Signal(syscall.SIGTERM)
		_ = dev.cmd.Wait()
		if t.Failed() {
			t.Log(dev.text())
		}
	})
	redistest.Eventually(t, "it greets", func() bool { return strings.Contains(dev.text(), "Ctrl-C") })
	outbox := regexp.MustCompile(`outbox +(http://\S+)`).FindStringSubmatch(dev.text())
	if outbox == nil {
		t.Fatal("no outbox")
	}
	messages := func() (all []sandbox.Entry) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, outbox[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, g := range catalog.Guides {
		printed := regexp.MustCompile(`(?m)^  ((?:SQUARE\S+ )?ringup send --as ` + g.Name + ` .*)$`).FindStringSubmatch(dev.text())
		if printed == nil {
			t.Errorf("no command to paste for %s", g.Name)
			continue
		}
		want := 3
		switch g.Name {
		case "square":
			want = 1
		case "loyverse", "clover":
			want = 0
		}
		for _, topic := range sample.Topics(g.Name) {
			before := len(messages())
			pasted := regexp.MustCompile(`--topic \S+`).ReplaceAllString(printed[1], "--topic "+topic)
			shell := exec.CommandContext(t.Context(), "sh", "-c", pasted)
			shell.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
			if out, err := shell.CombinedOutput(); err != nil {
				t.Errorf("%s\n%s%v", pasted, out, err)
				continue
			}
			redistest.Eventually(t, g.Name+" "+topic+" is in the outbox", func() bool { return len(messages()) >= before+want })
			for _, m := range messages()[:len(messages())-before] {
				if !strings.HasPrefix(m.EventID, g.Name+"/") || m.Text == "" {
					t.Errorf("%s %s: %+v", g.Name, topic, m)
				}
			}
			if n := len(messages()); n != before+want {
				t.Errorf("%s %s: %d messages", g.Name, topic, n-before)
			}
		}
	}
}
