package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// MaxImportBytes and maxImportLines bound what one import reads, so that it ends within a request.
	MaxImportBytes = 8 << 20
	maxImportLines = 100_000
	// importBatch is how many entries go to the queue at a time.
	importBatch = 1000
)

// WrongLine is a line of an import that cannot be used.
type WrongLine struct {
	Line    int    `json:"line"` // from 1
	Problem string `json:"problem"`
}

// ImportResult is the outcome of an import.
type ImportResult struct {
	Read     int         `json:"read"` // lines that can be used
	Added    int         `json:"added"`
	Already  int         `json:"already"` // on the list before, or twice in the file
	Wrong    []WrongLine `json:"wrong"`
	Imported bool        `json:"imported"` // false: a line is wrong, and nothing was imported
}

// ImportOptions say how a file is imported.
type ImportOptions struct {
	Channel string // of lines that name none; "": an e-mail address is taken for email, a number is refused
	Why     string // for the audit log
	Partial bool   // leave wrong lines out; otherwise one wrong line, and nothing is imported
}

// Import puts a file's addresses on the lists of their channels, and records it in the audit log. The file is CSV, with commas, semicolons or
// tabs, with the names of its columns or without; or one address per line. An import that breaks off has put a part on the lists: the same file
// again adds the rest. Errors besides those of every method: *http.MaxBytesError, where the reader has such a limit.
func (a *Admin) Import(ctx context.Context, file io.Reader, o ImportOptions) (*ImportResult, error) {
	if err := a.mayChange(); err != nil {
		return nil, err
	}
	if o.Channel != "" {
		if _, err := message.ParseChannel(o.Channel); err != nil {
			return nil, refuse("%v", err)
		}
	}
	im := importer{channel: message.Channel(o.Channel), region: a.Region, by: Operator(ctx), now: time.Now()}
	entries, wrong, err := im.read(file)
	if err != nil {
		return nil, err
	}
	if len(entries)+len(wrong) == 0 {
		return nil, refuse("there is no address in the file")
	}
	out := &ImportResult{Read: len(entries), Wrong: wrong}
	if wrong == nil {
		out.Wrong = []WrongLine{}
	}
	if len(wrong) > 0 && !o.Partial {
		return out, nil
	}
	if out.Added, err = a.addImported(ctx, entries, o.Why); err != nil {
		return nil, brokeOff(err)
	}
	out.Already, out.Imported = out.Read-out.Added, true
	return out, nil
}

// addImported puts entries on the lists, channel by channel, and records what was added of each. It returns how many were new.
func (a *Admin) addImported(ctx context.Context, entries []suppress.Entry, why string) (added int, err error) {
	slices.SortStableFunc(entries, func(a, b suppress.Entry) int { return cmp.Compare(a.Channel, b.Channel) })
	for len(entries) > 0 && err == nil {
		channel := entries[0].Channel
		end := slices.IndexFunc(entries, func(e suppress.Entry) bool { return e.Channel != channel })
		if end < 0 {
			end = len(entries)
		}
		ofChannel := 0
		for batch := range slices.Chunk(entries[:end], importBatch) {
			var n int
			n, err = a.Queues.Suppress(ctx, batch)
			if errors.Is(err, suppress.ErrOtherKey) {
				err = refuse("%v", err)
			}
			if ofChannel += n; err != nil {
				break
			}
		}
		if ofChannel > 0 || maybe(err) {
			a.audit(ctx, queue.AuditEntry{Action: auditImport, Channel: channel, Target: fmt.Sprintf("%d of %d addresses were new", ofChannel, end), Why: why})
		}
		added += ofChannel
		entries = entries[end:]
	}
	return added, err
}
