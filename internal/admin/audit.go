package admin

import (
	"context"
	"errors"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// maxWhy and maxTarget bound the texts of an entry, in characters.
	maxWhy, maxTarget = 200, 400
	// auditShown is how many entries are listed.
	auditShown = 100
	// auditRead is all of the audit log: it keeps 1,000 entries of each channel.
	auditRead = 3000
)

// The names of entries that are not an Action's.
const (
	auditReveal     = "reveal"
	auditForget     = "forget"
	auditSuppress   = "suppress"
	auditUnsuppress = "unsuppress"
	auditImport     = "import-suppressed"
	auditExport     = "export-suppressed"
	auditReplay     = "replay-aside"
	auditDropAside  = "delete-aside"
	auditShowAside  = "reveal-aside"
)

// AuditEntries are entries of the audit log, the latest first.
type AuditEntries struct {
	Entries     []queue.AuditEntry `json:"entries"`
	Unavailable []message.Channel  `json:"unavailable,omitempty"` // channels whose entries cannot be read now
}

// AuditLog returns the latest entries of all channels.
func (a *Admin) AuditLog(ctx context.Context) (*AuditEntries, error) {
	entries, err := a.Queues.Audit(ctx, auditShown)
	missing, err := unavailable(err)
	if err != nil {
		return nil, err
	}
	if entries == nil {
		entries = []queue.AuditEntry{}
	}
	return &AuditEntries{entries, missing}, nil
}

// unavailable takes the channels that could not be asked out of an error; any other error stays.
func unavailable(err error) ([]message.Channel, error) {
	var partial *queue.PartialError
	if errors.As(err, &partial) {
		return partial.Channels, nil
	}
	return nil, err
}

// audit records a change. It has been made by then, so a failure is logged and no more.
func (a *Admin) audit(ctx context.Context, e queue.AuditEntry) {
	_ = a.record(ctx, e)
}

// record adds an entry to the log and to the queue's audit log; the operator and the time are filled in. What shows an address is recorded first,
// and not done without an entry. Errors: queue.ErrUnavailable, which is logged.
func (a *Admin) record(ctx context.Context, e queue.AuditEntry) error {
	e.At, e.By, e.Target, e.Why = time.Now().UTC(), Operator(ctx), clip(e.Target, maxTarget), clip(e.Why, maxWhy)
	a.Log.Info("operator", "by", e.By, "action", e.Action, "channel", e.Channel, "target", e.Target, "jobs", e.Count, "why", e.Why)
	err := a.Queues.Record(ctx, e)
	if err != nil {
		a.Log.Error("audit entry not stored", "error", err)
	}
	return err
}

// maybe says that a change may have been made although it ended with an error: Redis may have carried it out, and the answer was lost.
func maybe(err error) bool { return err != nil && !Refused(err) }
