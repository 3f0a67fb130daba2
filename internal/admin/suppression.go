package admin

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// maxScanned is how many entries are read to find the newest; of a longer list a part is shown.
	maxScanned = 100_000
	// MaxOffset bounds how far back the list is paged through; an export has all of it.
	MaxOffset = 10_000
)

// Suppression is an entry of the suppression list: an address has one per kind, sender account and source.
type Suppression struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"address"` // masked: the list does not keep it
	Why     suppress.Why    `json:"why"`
	Sender  string          `json:"sender,omitempty"` // "" for all
	By      string          `json:"by,omitempty"`
	Since   time.Time       `json:"since,omitzero"`
	OptedIn time.Time       `json:"opted_in,omitzero"` // at another sender account: with OPT_OUT_SCOPE=channel the entry holds no more
}

// Suppressions are a part of a channel's list, the newest first.
type Suppressions struct {
	Total    int64         `json:"total"` // entries; of a list that was not read whole, addresses
	Offset   int           `json:"offset"`
	Complete bool          `json:"complete"` // the whole list was read to find the newest
	Entries  []Suppression `json:"entries"`
}

// SuppressionChange names an address to look up, to put on a channel's list or to take off it.
type SuppressionChange struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"address"`
	Why     string          `json:"why,omitempty"` // for the audit log
	// Only are the entries to take off the list; with nothing in it all.
	Only suppress.Selection `json:"only,omitzero"`
}

// SuppressionCheck says whether an address is on the list, by its entries, the newest first.
type SuppressionCheck struct {
	Suppressed bool          `json:"suppressed"`
	Entries    []Suppression `json:"entries"`
}

// SuppressionChanged says whether the list was changed: false when it was as asked for before.
type SuppressionChanged struct {
	Channel message.Channel `json:"channel"`
	Changed bool            `json:"changed"`
}

func shown(e *suppress.Entry) Suppression {
	s := Suppression{Channel: e.Channel, Address: e.Masked, Why: e.Why, Sender: e.Sender, By: e.By, Since: e.At.UTC()}
	if !e.OptedIn.IsZero() {
		s.OptedIn = e.OptedIn.UTC()
	}
	return s
}

// ParseOffset reads which part of which channel's list is asked for. An empty offset is 0.
func ParseOffset(channel, offset string) (message.Channel, int, error) {
	c, err := message.ParseChannel(channel)
	if err != nil {
		return "", 0, refuse("%v", err)
	}
	if offset == "" {
		return c, 0, nil
	}
	n, err := strconv.Atoi(offset)
	if err != nil {
		return "", 0, refuse("offset is %q: it has to be a number", offset)
	}
	return c, n, nil
}

// Suppressions returns PageSize entries of a channel's list, masked. The list is stored in a hash, without an order, so all of it is read, up to
// maxScanned entries.
func (a *Admin) Suppressions(ctx context.Context, channel message.Channel, offset int) (*Suppressions, error) {
	if offset < 0 || offset > MaxOffset {
		return nil, refuse("offset is %d: give 0 to %d; an export has all", offset, MaxOffset)
	}
	total, err := a.Queues.CountSuppressed(ctx, channel)
	if err != nil {
		return nil, err
	}
	out := &Suppressions{Total: total, Offset: offset, Complete: true, Entries: []Suppression{}}
	newest, scanned := newestEntries{limit: offset + PageSize}, 0
	err = a.Queues.Suppressions(ctx, channel, func(e suppress.Entry) bool {
		if scanned >= maxScanned {
			out.Complete = false
			return true
		}
		scanned++
		newest.add(e)
		return false
	})
	if err != nil {
		return nil, err
	}
	newest.trim()
	if out.Complete {
		out.Total = int64(scanned)
	}
	for i := offset; i < len(newest.entries); i++ {
		out.Entries = append(out.Entries, shown(&newest.entries[i]))
	}
	return out, nil
}

// SuppressionCount is the number of addresses on a channel's list.
type SuppressionCount struct {
	Channel message.Channel
	Count   int64
}

// SuppressionCounts counts the addresses on every channel's list.
func (a *Admin) SuppressionCounts(ctx context.Context) ([]SuppressionCount, error) {
	var out []SuppressionCount
	for _, channel := range message.Channels {
		n, err := a.Queues.CountSuppressed(ctx, channel)
		if err != nil {
			return nil, err
		}
		out = append(out, SuppressionCount{channel, n})
	}
	return out, nil
}

// newestEntries are the newest of those that were added; after trim in order, and no more than limit.
type newestEntries struct {
	entries []suppress.Entry
	limit   int
}

func (n *newestEntries) add(e suppress.Entry) {
	if n.entries = append(n.entries, e); len(n.entries) >= 2*n.limit {
		n.trim()
	}
}

func (n *newestEntries) trim() {
	slices.SortFunc(n.entries, func(a, b suppress.Entry) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Name, b.Name))
	})
	n.entries = n.entries[:min(len(n.entries), n.limit)]
}

// parse checks a change, and returns its address.
func (a *Admin) parse(x *SuppressionChange) (message.Address, error) {
	if _, err := message.ParseChannel(string(x.Channel)); err != nil {
		return "", refuse("%v", err)
	}
	to, err := address.Possible(x.Channel, x.Address, a.Region)
	if err != nil {
		return "", refuse("%v", err)
	}
	return to, nil
}

// CheckSuppressed looks an address up.
func (a *Admin) CheckSuppressed(ctx context.Context, x *SuppressionChange) (*SuppressionCheck, error) {
	to, err := a.parse(x)
	if err != nil {
		return nil, err
	}
	entries, err := a.Queues.Suppressed(ctx, x.Channel, to)
	if err != nil {
		return nil, err
	}
	newest := newestEntries{entries: entries, limit: len(entries)}
	newest.trim()
	out := &SuppressionCheck{Suppressed: len(entries) > 0, Entries: []Suppression{}}
	for i := range newest.entries {
		out.Entries = append(out.Entries, shown(&newest.entries[i]))
	}
	return out, nil
}

// Suppress puts an address on a channel's list, for all sender accounts, and records it in the audit log. It returns false when an operator had put
// it there before: the entry stays as it is.
func (a *Admin) Suppress(ctx context.Context, x *SuppressionChange) (bool, error) {
	if err := a.mayChange(); err != nil {
		return false, err
	}
	to, err := a.parse(x)
	if err != nil {
		return false, err
	}
	n, err := a.Queues.Suppress(ctx, []suppress.Entry{{Channel: x.Channel, Address: to, Why: suppress.Operator, By: Operator(ctx), At: time.Now()}})
	if n > 0 || maybe(err) {
		a.audit(ctx, queue.AuditEntry{Action: auditSuppress, Channel: x.Channel, Target: to.String(), Why: x.Why})
	}
	return n > 0, brokeOff(err)
}

// Unsuppress takes the entries of an address that are selected, or all, off a channel's list, and records it in the audit log. It returns false when
// there were none.
func (a *Admin) Unsuppress(ctx context.Context, x *SuppressionChange) (bool, error) {
	if err := a.mayChange(); err != nil {
		return false, err
	}
	to, err := a.parse(x)
	if err != nil {
		return false, err
	}
	removed, err := a.Queues.Unsuppress(ctx, x.Channel, to, x.Only)
	if removed > 0 || maybe(err) {
		target := []string{to.String(), string(x.Only.Why), x.Only.Sender, x.Only.By}
		a.audit(ctx, queue.AuditEntry{Action: auditUnsuppress, Channel: x.Channel, Target: strings.Join(config.NonEmpty(target), " "), Why: x.Why})
	}
	return removed > 0, brokeOff(err)
}
