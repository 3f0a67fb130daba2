package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// Preview is what would go out for a webhook.
type Preview struct {
	*preview.Result
	Currency string `json:"currency"` // of costs
}

func (a *Admin) previewer() *preview.Previewer {
	return &preview.Previewer{Store: a.Store, Renderer: a.Renderer, Prices: a.Prices}
}

// Preview renders what would go out for a sample or a payload. Nothing is sent and nothing is stored. A request or a payload that makes no sense is refused.
func (a *Admin) Preview(r *preview.Request) (*Preview, error) {
	result, err := a.previewer().Render(r)
	if err != nil {
		return nil, refusal(err)
	}
	return &Preview{Result: result, Currency: a.Currency}, nil
}

// refusal is the error of a preview: the operator's mistake where it is an InvalidError.
func refusal(err error) error {
	if invalid, is := errors.AsType[*preview.InvalidError](err); is {
		return refuse("%v", invalid)
	}
	return err
}

const (
	// testsPerHour and testsPerDay bound the test messages of one operator, and of all together: each is a message that the shop pays for, to any address.
	// A person who writes templates sends a few.
	testsPerHour, testsPerDay = 10, 50
	auditTest                 = "send-test"
)

// testID is what rand.Text makes.
var testID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// TestRequest asks for a test message: one of a preview, sent to an address. With DryRun it is checked and rendered, and not sent.
type TestRequest struct {
	preview.Request
	Address string `json:"address"`
	Test    string `json:"test,omitempty"` // the Test of a dry run: what is asked for again is sent once. Empty for a new test
	DryRun  bool   `json:"dry_run"`
}

// TestResult is a test message that is in the queue, or would be.
type TestResult struct {
	Job        string          `json:"job"` // its id
	Test       string          `json:"test"`
	Message    preview.Message `json:"message"`
	Currency   string          `json:"currency"`   // of its cost
	Suppressed bool            `json:"suppressed"` // of a dry run: nothing is sent to the address, which is on the suppression list
	Left       int             `json:"left"`       // tests that the operator may send within the hour, after this one
	DryRun     bool            `json:"dry_run"`

	To message.Address `json:"-"` // as it was read
}

// SendTest puts a test message into the queue, as the job of an event of its own. The workers treat it as any other: the suppression list, quiet hours, limits and caps
// hold. It is recorded in the audit log first, and refused to an address that is on the suppression list, without a template that can be rendered, and beyond
// testsPerHour and testsPerDay, by the audit log.
func (a *Admin) SendTest(ctx context.Context, x *TestRequest) (*TestResult, error) {
	if err := a.mayChange(); err != nil {
		return nil, err
	}
	id := x.Test
	if id == "" {
		id = rand.Text()
	} else if !testID.MatchString(id) {
		return nil, refuse("test is not that of a dry run: leave it out")
	}
	test, err := a.previewer().Test(&x.Request, id, x.Address)
	if err != nil {
		return nil, refusal(err)
	}
	channel := test.Message.Channel
	result := &TestResult{Job: job.ID(test.Submission.Event.ID, channel, 1), Test: id, Message: test.Message, Currency: a.Currency, DryRun: x.DryRun, To: test.To}
	entries, err := a.Queues.Suppressed(ctx, channel, test.To)
	if err != nil {
		return nil, err
	}
	// Of one that the person has opted in beside, the workers know whether it holds (OPT_OUT_SCOPE).
	result.Suppressed = slices.ContainsFunc(entries, func(e suppress.Entry) bool { return e.OptedIn.IsZero() })
	if !x.DryRun {
		a.testing.Lock() // between the count and its entry
		defer a.testing.Unlock()
	}
	left, known, err := a.testsLeft(ctx, result.Job)
	if err != nil {
		return nil, err
	}
	if result.Left = left; x.DryRun {
		result.Left = max(0, left-1)
		return result, nil
	}
	if err := sendable(result, left, known); err != nil {
		return nil, err
	}
	if !known {
		result.Left--
		if err := a.record(ctx, queue.AuditEntry{Action: auditTest, Channel: channel, Target: result.Job + " to " + test.To.String(), Count: 1}); err != nil {
			return nil, err
		}
	}
	test.Submission.AcceptedAt = time.Now()
	_, err = a.Tests.Enqueue(ctx, test.Submission)
	if full, is := errors.AsType[*queue.FullError](err); is {
		return nil, refuse("%v: nothing was sent", full)
	}
	return result, err
}

// sendable refuses a test that cannot be sent; known says that it was sent before.
func sendable(r *TestResult, left int, known bool) error {
	switch {
	case r.Message.Problem != "":
		return refuse("the message cannot be rendered: %s", r.Message.Problem)
	case r.Suppressed:
		return refuse("%s is on the suppression list of %s: nothing is sent to it", r.To, r.Message.Channel)
	case left <= 0 && !known:
		return refuse("enough tests: an operator may send %d within an hour, and all together %d within a day. Try again later", testsPerHour, testsPerDay)
	}
	return nil
}

// testsLeft counts the tests that the operator may still send, by the audit log, and says whether a job is that of one that was sent.
func (a *Admin) testsLeft(ctx context.Context, id string) (left int, known bool, err error) {
	entries, err := a.Queues.Audit(ctx, auditRead)
	if err != nil {
		return 0, false, err
	}
	now, hour, day := time.Now(), 0, 0
	for i := range entries {
		e := &entries[i]
		if e.Action != auditTest {
			continue
		}
		known = known || strings.HasPrefix(e.Target, id+" ")
		if age := now.Sub(e.At); age < 24*time.Hour {
			day++
			if age < time.Hour && e.By == Operator(ctx) {
				hour++
			}
		}
	}
	return min(testsPerHour-hour, testsPerDay-day), known, nil
}
