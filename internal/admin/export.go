package admin

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// ExportRequest asks for the suppression list of a channel; of all with an empty one.
type ExportRequest struct {
	Channel message.Channel `json:"channel,omitempty"`
	Why     string          `json:"why,omitempty"` // for the audit log
}

// ServeExport answers with the lists as CSV, addresses masked and with the persons' keys, and records it in the audit log first. An error means that nothing was written: it is
// refused where addresses stay masked. An export that breaks off cuts the connection (it panics with http.ErrAbortHandler), so that nobody
// takes the part for the whole.
func (a *Admin) ServeExport(w http.ResponseWriter, r *http.Request, x ExportRequest) error {
	channels := message.Channels
	if x.Channel != "" {
		channel, err := message.ParseChannel(string(x.Channel))
		if err != nil {
			return refuse("%v", err)
		}
		channels = []message.Channel{channel}
	}
	if err := a.MayReveal(); err != nil {
		return err
	}
	for _, channel := range channels {
		n, err := a.Queues.CountSuppressed(r.Context(), channel)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if err := a.record(r.Context(), queue.AuditEntry{Action: auditExport, Channel: channel, Target: Plural(int(n), "address"), Why: x.Why}); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="ringup-suppressed.csv"`)
	if err := a.writeExport(r.Context(), csv.NewWriter(w), channels); err != nil {
		a.Log.Error("export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (a *Admin) writeExport(ctx context.Context, out *csv.Writer, channels []message.Channel) error {
	err := out.Write(exported)
	for _, channel := range channels {
		listErr := a.Queues.Suppressions(ctx, channel, func(e suppress.Entry) bool {
			err = errors.Join(err, writeEntry(out, &e))
			return err != nil
		})
		err = errors.Join(err, listErr)
	}
	out.Flush()
	return errors.Join(err, out.Error())
}
