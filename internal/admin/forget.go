package admin

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"ringup.dev/ringup/internal/queue"
)

// forgetBatch is how many jobs one request looks at, so that it ends in a second or two; more take more requests.
const forgetBatch = 50_000

// ForgetRequest asks for a person's data to be deleted.
type ForgetRequest struct {
	Who    string `json:"who"` // a phone number or an e-mail address; in the body, since many log the addresses of requests
	Why    string `json:"why,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
	Next   string `json:"next,omitempty"` // of the answer before; "" at first
}

// ForgetResult is what was found of a person so far, and deleted unless it is a dry run. Next says where to go on; it is "" when all was looked
// at.
type ForgetResult struct {
	DryRun bool `json:"dry_run"`
	queue.Forgotten
}

// Forget looks through a part of the queues for a person's data, and deletes it. Its result has the sums so far; call it again with Next until
// that is empty. The audit log has the start and the end, with the masked address. A Next that is not this request's is refused.
func (a *Admin) Forget(ctx context.Context, x *ForgetRequest) (*ForgetResult, error) {
	if !x.DryRun {
		if err := a.mayChange(); err != nil {
			return nil, err
		}
	}
	who, err := ParsePerson(x.Who, a.Region)
	if err != nil {
		return nil, refuse("%v", err)
	}
	earlier, err := a.readProgress(x, who)
	if err != nil {
		return nil, err
	}
	record := func(n int) {
		if !x.DryRun {
			a.audit(ctx, queue.AuditEntry{Action: auditForget, Channel: who.channel(), Target: who.String(), Count: n, Why: x.Why})
		}
	}
	if x.Next == "" {
		record(0) // the start, should it not come to an end
	}
	found, err := a.Queues.Forget(ctx, queue.ForgetRequest{Person: who, DryRun: x.DryRun, From: earlier.Next, AtMost: a.forgetBatch})
	switch {
	case err != nil && x.DryRun:
		return nil, err
	case err != nil:
		return nil, brokeOff(err)
	}
	found.Add(earlier)
	if found.Next == "" {
		record(found.Found())
	} else if found.Next, err = a.progress(&found, x, who); err != nil {
		return nil, err
	}
	return &ForgetResult{x.DryRun, found}, nil
}

// signed is what a signature of progress is for, besides the progress itself.
func (x *ForgetRequest) signed(who Person) string {
	return fmt.Sprintf("%s %s %t ", auditForget, who.key(), x.DryRun)
}

// progress makes what a client brings back to go on: signed, so that the audit log's numbers are the queue's, and good for the same request alone.
func (a *Admin) progress(f *queue.Forgotten, x *ForgetRequest, who Person) (string, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	return encoded + "." + a.sessions.sign(x.signed(who)+encoded), nil
}

func (a *Admin) readProgress(x *ForgetRequest, who Person) (queue.Forgotten, error) {
	var f queue.Forgotten
	if x.Next == "" {
		return f, nil
	}
	encoded, signature, _ := strings.Cut(x.Next, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || subtle.ConstantTimeCompare([]byte(signature), []byte(a.sessions.sign(x.signed(who)+encoded))) != 1 || json.Unmarshal(text, &f) != nil {
		return f, refuse("next is not what the answer before said")
	}
	return f, nil
}
