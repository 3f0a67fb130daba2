package admin

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/person"
	"ringup.dev/ringup/internal/queue"
)

// forgetAtMost is how many jobs one request looks at, so that it ends in a second or two; more take more requests.
const forgetAtMost = 50_000

// actForget is on the record beside the actions; it is asked for at an address of its own, since it is of every channel.
const actForget = "forget"

// forgetRequest asks for a person's data to be deleted.
type forgetRequest struct {
	Who    string `json:"who"` // a phone number or an e-mail address; in the body, since addresses of requests are logged by many
	Why    string `json:"why,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
	Next   string `json:"next,omitempty"` // of the answer before
}

// apiForget looks through a part of everything for a person's data, and deletes it. Its answer has the sums so far, and where to go on.
func (a *Admin) apiForget(w http.ResponseWriter, r *http.Request) {
	var x forgetRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&x); err != nil {
		// The library's text may quote the body.
		problem(w, http.StatusBadRequest, `the body is not a request to forget: send {"who": a phone number or an e-mail address}`)
		return
	}
	found, err := a.forget(r.Context(), &x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, map[string]any{
		"dry_run": x.DryRun, "seen": found.Seen, "waiting": found.Waiting, "retry": found.Retry, "held": found.Held, "failed": found.Failed, "completed": found.Completed,
		"outbox": found.Outbox, "sending": found.Sending, "next": found.Next,
	})
}

func (a *Admin) forget(ctx context.Context, x *forgetRequest) (*queue.Forgotten, error) {
	if a.Config.ReadOnly && !x.DryRun {
		return nil, refuse("ADMIN_READ_ONLY is set: nothing can be changed here")
	}
	who, err := person.Parse(x.Who, a.Region)
	if err != nil {
		return nil, refuse("%v", err)
	}
	earlier, err := a.readProgress(x, who)
	if err != nil {
		return nil, err
	}
	channel := message.SMS
	if strings.Contains(x.Who, "@") {
		channel = message.Email
	}
	record := func(n int) {
		if !x.DryRun {
			a.record(ctx, &action{Name: actForget, Channel: channel, Why: x.Why, person: who.String()}, operator(ctx), n)
		}
	}
	if x.Next == "" {
		record(0) // that it was begun, should it not come to an end
	}
	found, err := a.Queues.Forget(ctx, queue.ForgetRequest{Person: who, DryRun: x.DryRun, From: earlier.Next, AtMost: a.atMost})
	if err != nil {
		return nil, err
	}
	found.Add(earlier)
	if found.Next == "" {
		record(found.Found())
		return &found, nil
	}
	found.Next, err = a.progress(&found, x, who)
	return &found, err
}

// context is what a signature of progress is for.
func (x *forgetRequest) context(who person.Person) string {
	return fmt.Sprintf("%s %s %t ", actForget, who.Key(), x.DryRun)
}

// progress makes what a client brings back to go on: signed, so that the record's numbers are the queue's, and good for the same request alone.
func (a *Admin) progress(f *queue.Forgotten, x *forgetRequest, who person.Person) (string, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	return encoded + "." + a.sessions.sign(x.context(who)+encoded), nil
}

func (a *Admin) readProgress(x *forgetRequest, who person.Person) (queue.Forgotten, error) {
	var f queue.Forgotten
	if x.Next == "" {
		return f, nil
	}
	encoded, signature, _ := strings.Cut(x.Next, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || subtle.ConstantTimeCompare([]byte(signature), []byte(a.sessions.sign(x.context(who)+encoded))) != 1 || json.Unmarshal(text, &f) != nil {
		return f, refuse("next is not what the answer before said")
	}
	return f, nil
}
