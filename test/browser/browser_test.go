// Package browser walks through the dashboard as an operator does, in a real Chromium ($CHROMIUM, or the one on PATH): in both colour schemes
// and at a phone's width. An accessibility checker runs on every page, and an error on the console fails the test.
package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/dev"
	"ringup.dev/ringup/internal/redistest"
)

//go:embed testdata/axe.min.js
var axe string

var update = flag.Bool("update", false, "write the screenshots in docs/screenshots")

const limit = 2 * time.Minute

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: install chromium, or set CHROMIUM to its path (`make test` does)")
	return ""
}

// serve runs ringup on a Redis until the end of the test, or until stop is called.
func serve(t *testing.T, redis *redistest.Server, env map[string]string) (s *dev.Server, stop func()) {
	t.Helper()
	all := map[string]string{"PORT": "0", "ADMIN_PORT": "0", "OPS_PORT": "0", "REDIS_URL": "redis://" + redis.Addr(), "LOG_LEVEL": "error", "WEBHOOK_AUTH_TOKEN": "token-for-the-tests", "SHUTDOWN_DELAY": "0s"}
	for name, value := range env {
		all[name] = value
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := dev.New(ctx, envconfig.MapLookuper(all), dev.Loopback, io.Discard)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

func post(t *testing.T, s *dev.Server, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.IngestURL()+"/test/simulate-webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
}

// visit is a window of the browser.
type visit struct {
	*testing.T
	ctx      context.Context
	mu       sync.Mutex
	messages []string
}

func open(t *testing.T) *visit {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(1200, 900))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	v := &visit{T: t, ctx: ctx}
	note := func(format string, args ...any) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.messages = append(v.messages, fmt.Sprintf(format, args...))
	}
	v.run() // the browser lives as long as the first context that it is used with
	v.ctx, cancel = context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	v.must(chromedp.Listen(v.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			note("exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				note("console: %v", e.Args)
			}
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				note("log: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	}))
	_, err := chromedp.Call(v.ctx, log.Enable, cdp.Empty{})
	v.must(err)
	return v
}

func (v *visit) run(actions ...chromedp.Action[chromedp.Void]) {
	v.Helper()
	v.must(chromedp.Do(v.ctx, actions...))
}

// must ends the test on an error, and prints the text of the page.
func (v *visit) must(err error) {
	v.Helper()
	if err != nil {
		page, _ := chromedp.Run(v.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		v.Fatalf("%v, on\n%s", err, page)
	}
}

// sees waits until a text is on the page. The page may change meanwhile.
func (v *visit) sees(text string) {
	v.Helper()
	deadline := time.After(20 * time.Second)
	for {
		there, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool](fmt.Sprintf("!!document.querySelector('main')?.innerText.includes(%q)", text)))
		if err == nil && there {
			return
		}
		select {
		case <-deadline:
			v.must(errors.Join(fmt.Errorf("there is no %q", text), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// press follows the link, presses the button, or opens the details, with this text.
func (v *visit) press(text string) {
	v.Helper()
	xpath := fmt.Sprintf(`//main//*[self::a or self::button or self::summary][normalize-space(.)=%q]`, text)
	v.run(chromedp.Click(chromedp.Search(xpath)))
}

// check runs the accessibility checker on the page, and checks that the page is not wider than the window.
func (v *visit) check(name string) {
	v.Helper()
	_, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](axe+`;0`))
	v.must(err)
	result, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.failureSummary)}))))`,
		chromedp.EvalAwaitPromise))
	v.must(err)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		v.Fatal(err)
	}
	for _, one := range violations {
		v.Errorf("%s: %s: %s\n%s", name, one.ID, one.Help, strings.Join(one.Nodes, "\n"))
	}
	wide, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`))
	v.must(err)
	if wide {
		v.Errorf("%s: the page is wider than the window", name)
	}
}

// shown are the pages whose screenshots are in the docs.
var shown = []string{"queues", "job", "failed", "suppressed", "spending", "preview", "outbox", "senders", "history"}

// looks checks the page in both colour schemes and at a phone's width; the screenshots go into the docs.
func (v *visit) looks(name string) {
	v.Helper()
	for _, look := range []struct {
		suffix, scheme string
		width, height  int64
	}{{"", "light", 1200, 900}, {"-dark", "dark", 1200, 900}, {"-phone", "light", 390, 844}} {
		v.window(look.width, look.height, look.scheme)
		v.check(name + look.suffix)
		_, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`scrollTo(0, 0); 0`))
		v.must(err)
		if slices.Contains(shown, name) {
			v.save(name + look.suffix)
		}
	}
	v.window(1200, 900, "light")
}

// save writes a screenshot for the docs, with -update.
func (v *visit) save(name string) {
	v.Helper()
	if !*update {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	v.must(err)
	v.must(os.WriteFile(filepath.Join("../../docs/screenshots", name+".png"), png, 0o600))
}

// window sets the size and the colour scheme.
func (v *visit) window(width, height int64, scheme string) {
	v.Helper()
	v.run(chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	v.must(err)
}

// selects filters the list of failed jobs, ticks some, and goes about with the keyboard.
func (v *visit) selects(admin string) {
	v.Helper()
	v.run(chromedp.Navigate(admin + "/admin/queues/sms/failed"))
	v.press("Filter and sort")
	v.run(chromedp.SendKeys(chromedp.CSS(`main input[name=why]`), "invalid_recipient\r"))
	v.sees(`Filter: why has "invalid_recipient".`)
	v.looks("filtered")
	v.run(chromedp.Click(chromedp.CSS(`input[name=id]`)))
	v.press("Delete them")
	v.sees("Delete 1 job of sms?")
	v.looks("confirmed")
	v.press("Back")
	v.sees("5 jobs")
	v.run(chromedp.Click(chromedp.CSS(`input.every`)))
	v.press("Retry them")
	v.sees("Retry 5 jobs of sms?")
	v.sees("The first of them")
	v.press("Back")
	v.sees("Filter and sort") // the question had "5 jobs", too
	v.run(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"), chromedp.KeyEvent("?"))
	open, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.getElementById("keys").open + " " + [...document.querySelectorAll("td.id a")].indexOf(document.activeElement)`))
	if v.must(err); !strings.HasPrefix(open, "true") {
		v.Errorf("the help: %s", open)
	}
	v.check("keys")
	v.run(chromedp.KeyEvent("?"), chromedp.KeyEvent("/"))
	at, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.activeElement.name + " " + document.getElementById("keys").open`))
	if v.must(err); at != "q false" {
		v.Errorf("the keys lead to %q", at)
	}
}

func TestOperator(t *testing.T) {
	redis := redistest.Start(t)
	// Yesterday the provider refused every SMS; today a customer asks for the receipt.
	broken, stop := serve(t, redis, map[string]string{"SANDBOX_FAIL": "permanent"})
	post(t, broken, `{"id":"hook_7","event_type":"payment_complete","data":{"transactionId":"TXN_4711"}}`)
	for i := range 5 {
		post(t, broken, fmt.Sprintf(`{"id":"hook_other_%d","event_type":"order_create","data":{"transactionId":"TXN_%d"}}`, i, i))
	}
	redistest.Eventually(t, "all have failed", func() bool {
		return redis.Client().ZCard(t.Context(), "{ringup:sms}:failed").Val() == 6
	})
	stop()
	s, _ := serve(t, redis, map[string]string{"ADMIN_TOKEN": "right-for-the-tests", "ADMIN_REVEAL": "true"})
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/queues"))
	v.sees("Token (ADMIN_TOKEN or")
	v.check("login")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=name]`), "ann"), chromedp.SendKeys(chromedp.CSS(`input[name=token]`), "right-for-the-tests\r"))
	v.sees("payment_complete")
	v.looks("queues")

	v.run(chromedp.SendKeys(chromedp.CSS(`header input[name=q]`), "TXN_4711\r"))
	v.sees("hook_7:sms:1")
	v.looks("search")
	v.press("hook_7:sms:1")
	v.sees("Hi John Doe")
	_, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`history.back(); 0`))
	v.must(err)
	v.sees("Accepted webhooks")
	at, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`location.search`))
	if v.must(err); at != "?q=TXN_4711" { // and so nothing is posted again
		t.Errorf("back at %q", at)
	}
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/search" + at)) // chromedp loses the nodes of a page that was left
	v.press("hook_7:sms:1")
	v.sees("permanent: invalid_recipient")
	v.sees("Hi John Doe")
	v.looks("job")
	v.press("Retry")
	v.sees("Retry 1 job of sms?")
	v.check("confirm")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=why]`), "the customer asked"))
	v.press("Yes, retry")
	v.sees("1 job put back to be sent.")
	v.sees("sandbox-hook_7:sms:1") // the page updates without a reload
	v.press("Show the whole address")
	v.sees("+1234567890")

	v.run(chromedp.Navigate(s.AdminURL() + "/admin/queues"))
	v.press("Pause email")
	v.sees("Pause email?")
	v.press("Yes, pause")
	v.sees("paused by ann")
	v.press("Resume email")
	v.press("Yes, resume")
	v.sees("email is resumed.")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/queues/sms/failed"))
	v.sees("5 jobs")
	v.looks("failed")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=filter]`), "TXN_3\r"))
	v.sees("Retry 1 job of sms?")
	v.press("Back")
	v.sees("5 jobs")
	v.selects(s.AdminURL())
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/audit"))
	v.sees("the customer asked")
	v.sees("reveal")
	v.looks("audit")
	v.run(chromedp.Click(chromedp.Search(`//button[normalize-space(.)="Sign out"]`)))
	v.sees("Token (ADMIN_TOKEN or")
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}
