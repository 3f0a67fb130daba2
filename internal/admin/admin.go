// Package admin is the operators' side: the state of the queues, a job and its history, retries, the suppression list, costs, a person's
// data. It has the operations with their checks, the audit log and the sign-in. Two packages below serve them: pages to browsers, api to
// programs. Neither is ever routed from outside.
//
// The types with JSON names are the API's: api encodes them, the ringup command decodes them, pages shows them, and openapi.yaml describes
// them. In JSON, as in the addresses of pages, a state is called "place"; the values are queue.State's.
package admin

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/proxies"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/suppress"
)

// Queues is all that operators see and change. Every method returns queue.ErrUnavailable when the store does not answer.
type Queues interface {
	Jobs
	Channels
	SuppressionList
	AuditLog
	SessionStore
	SenderLog
	Health
}

// Jobs are looked at and changed one by one.
type Jobs interface {
	// List returns jobs without shared bodies.
	List(ctx context.Context, channel message.Channel, state queue.State, priority, offset, limit int) ([]queue.Stored, error)
	// Locate returns nil when the job is not in the queue.
	Locate(ctx context.Context, id string, acceptedAt time.Time) (*queue.Stored, error)
	// Matching returns those of the jobs, all of one channel, that match; matches sees their bodies.
	Matching(ctx context.Context, jobs []queue.Stored, matches func(*queue.Stored) bool) ([]queue.Stored, error)
	// Providers sets the Provider of each job.
	Providers(ctx context.Context, jobs []queue.Stored) error
	// Search returns the first limit jobs that match, or whose provider's message id is id.
	Search(ctx context.Context, matches func(*queue.Stored) bool, id string, limit int) ([]queue.Stored, error)
	// Find looks through the accepted webhooks, the latest first, also those that have been sent long since.
	Find(context.Context, queue.FindRequest) (*queue.Found, error)
	// Notifications returns a *queue.NotFoundError for a webhook that is not known.
	Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error)
	Retry(ctx context.Context, jobs []queue.Stored, by string) (int, error)
	Delete(ctx context.Context, jobs []queue.Stored, by string) (int, error)
	Purge(ctx context.Context, channel message.Channel, priority int, by string) (int, error)
	Forget(context.Context, queue.ForgetRequest) (queue.Forgotten, error)
}

// Channels are looked at and switched as a whole.
type Channels interface {
	State(context.Context, message.Channel) (*queue.ChannelState, error)
	Pause(ctx context.Context, channel message.Channel, by, why string) error
	Resume(context.Context, message.Channel) error
	OpenBreaker(ctx context.Context, channel message.Channel, provider, by string, only bool) error
	CloseBreaker(ctx context.Context, channel message.Channel, provider string) error
	Spending(ctx context.Context, channel message.Channel, at time.Time) (map[string]int64, error)
}

// SuppressionList has the addresses, per channel, to which nothing is sent.
type SuppressionList interface {
	Suppress(context.Context, []suppress.Entry) (added int, err error)
	Unsuppress(context.Context, message.Channel, message.Address, suppress.Selection) (removed int, err error)
	Suppressed(context.Context, message.Channel, message.Address) ([]suppress.Entry, error)
	CountSuppressed(context.Context, message.Channel) (int64, error)
	Suppressions(ctx context.Context, channel message.Channel, visit func(suppress.Entry) (stop bool)) error
}

// Tests puts test messages into the queue.
type Tests interface {
	// Enqueue adds the jobs of an event, once. Errors: queue.ErrUnavailable, *queue.FullError.
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// AuditLog has what operators changed or looked at.
type AuditLog interface {
	Record(context.Context, queue.AuditEntry) error
	Audit(ctx context.Context, limit int) ([]queue.AuditEntry, error)
}

// SenderLog has the latest webhooks of senders, and those that are set aside.
type SenderLog interface {
	Senders(context.Context) ([]queue.SenderState, error)
	Aside(context.Context) ([]queue.SetAside, error)
	// AsideBody returns nil for a webhook that is not there any more.
	AsideBody(ctx context.Context, id string) ([]byte, error)
	// Replay and DropAside take all that are set aside where no ids are named.
	Replay(ctx context.Context, ids []string) (int, error)
	DropAside(ctx context.Context, ids []string) (int, error)
}

// Renderer makes the message of a job, to show it.
type Renderer interface {
	Render(*job.Job) (message.Message, error)
	// Locales lists the locales that there are texts in.
	Locales() []string
}

// Options are the parts of an Admin. All are required but Caps, Prices and Registerer.
type Options struct {
	Config   Config
	Region   string // DEFAULT_REGION
	Currency string // PRICE_CURRENCY
	Caps     *pricing.Caps
	Prices   *pricing.Table
	Store    *store.Store // whose messages Preview shows: its look, its region and the countries that it writes to
	Queues   Queues
	Tests    Tests
	Renderer Renderer
	Log      *slog.Logger

	KeepFailed int // KEEP_FAILED

	Registerer prometheus.Registerer
}

// Admin has the operations. Its methods are safe for concurrent use. Their errors are turned into answers by Problem.
type Admin struct {
	Options
	credentials atomic.Pointer[credentials]
	proxies     proxies.List
	guard       *guard
	own         credential // with which no token signs in: see sign
	samples     samples
	health      health
	testing     sync.Mutex // while a test message is counted and recorded
	forgetBatch int        // jobs that one request to forget looks at
}

// New returns the operations; Run keeps the rates going.
func New(o Options) *Admin {
	a := &Admin{Options: o, guard: newGuard(o.Log, o.Registerer), forgetBatch: forgetBatch}
	a.proxies, _ = o.Config.proxies() // checked by Validate
	a.own = newCredential(secret.Key(rand.Text()), nobody)
	list := newCredentials(&o.Config)
	a.credentials.Store(&list)
	return a
}
