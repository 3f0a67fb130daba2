package admin

import (
	"context"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// SenderLogs are the states of the senders, and the webhooks that are set aside.
type SenderLogs struct {
	Senders []queue.SenderState `json:"senders"`
	Aside   []queue.SetAside    `json:"aside"` // the latest first
}

// AsideRequest names webhooks that are set aside.
type AsideRequest struct {
	IDs []string `json:"ids,omitempty"` // nil: all of them
	Why string   `json:"why,omitempty"` // for the audit log
}

// AsideResult is how many webhooks were replayed or deleted.
type AsideResult struct {
	Count int `json:"count"`
}

// AsideBody is a webhook that is set aside, as it was posted.
type AsideBody struct {
	ID   string `json:"id"`
	Body string `json:"body"` // bytes that are no UTF-8 are replaced
}

// SenderLogs returns the latest webhooks of all senders.
func (a *Admin) SenderLogs(ctx context.Context) (*SenderLogs, error) {
	senders, err := a.Queues.Senders(ctx)
	if err != nil {
		return nil, err
	}
	aside, err := a.Queues.Aside(ctx)
	if err != nil {
		return nil, err
	}
	return &SenderLogs{senders, aside}, nil
}

// ReplayAside has ingest read webhooks again that are set aside, within a second or two; what it still cannot read stays. The audit log has it.
func (a *Admin) ReplayAside(ctx context.Context, x *AsideRequest) (*AsideResult, error) {
	return a.changeAside(ctx, x, auditReplay, a.Queues.Replay)
}

// DropAside deletes webhooks that are set aside. The audit log has it.
func (a *Admin) DropAside(ctx context.Context, x *AsideRequest) (*AsideResult, error) {
	return a.changeAside(ctx, x, auditDropAside, a.Queues.DropAside)
}

func (a *Admin) changeAside(ctx context.Context, x *AsideRequest, action string, change func(context.Context, []string) (int, error)) (*AsideResult, error) {
	if err := a.mayChange(); err != nil {
		return nil, err
	}
	if x.IDs != nil && (len(x.IDs) == 0 || slices.Contains(x.IDs, "")) {
		return nil, refuse("ids is a list without an id: leave it out for all that are set aside")
	}
	n, err := change(ctx, x.IDs)
	if n > 0 || maybe(err) {
		a.audit(ctx, queue.AuditEntry{Action: action, Channel: AnyChannel, Target: strings.Join(x.IDs, " "), Count: n, Why: x.Why})
	}
	if err != nil {
		return nil, brokeOff(err)
	}
	return &AsideResult{n}, nil
}

// AnyChannel is where the audit log has what is of no channel.
const AnyChannel = message.SMS

// ShowAside returns the body of a webhook that is set aside, which has a person's data, and records that in the audit log first. It is refused where addresses stay
// masked.
func (a *Admin) ShowAside(ctx context.Context, id string) (*AsideBody, error) {
	if err := a.MayReveal(); err != nil {
		return nil, err
	}
	body, err := a.Queues.AsideBody(ctx, id)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, refuse("webhook %s is not set aside any more", id)
	}
	if err := a.record(ctx, queue.AuditEntry{Action: auditShowAside, Channel: AnyChannel, Target: id, Count: 1}); err != nil {
		return nil, err
	}
	return &AsideBody{id, strings.ToValidUTF8(string(body), "\ufffd")}, nil
}
