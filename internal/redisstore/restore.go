package redisstore

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/message"
)

const (
	// restoreEvery is how often ingest looks for jobs that it can read and an older program could not.
	restoreEvery = 10 * time.Second
	// restoreBatch is how many of them one script looks at.
	restoreBatch = 100
)

// restoreArgs are the arguments of restore.lua.
type restoreArgs struct {
	Queue  [4]string `key:"queue"`
	Failed string    `key:"failed"`
	Wake   string    `key:"wake"`
	Since  int64     `lua:"since"` // a score
	Skip   int       `lua:"skip"`
	Max    int       `lua:"max"`
}

// restoreAnswer is the answer of restore.lua.
type restoreAnswer struct {
	Looked   int   `lua:"looked"`
	Restored int   `lua:"restored"`
	Latest   int64 `lua:"latest"` // a score
}

// restoreAll takes a channel's jobs that an older program set aside, since it could not read their bytes, back to their lists, as far as this
// program can read them. So an upgrade does not depend on the order in which programs are replaced: an old worker that claims a new job
// sets it aside, and the new programs bring it back, until there are no old ones left. Jobs that this program cannot read stay, and are
// looked at once. Errors: queue.ErrUnavailable; some jobs may be back then.
func (s *Store) restoreAll(ctx context.Context, channel message.Channel) error {
	k, looked := s.keys[channel], s.looked[channel]
	args := restoreArgs{Queue: k.Queue, Failed: k.Failed, Wake: k.Wake, Since: looked.Load(), Max: restoreBatch}
	latest := args.Since
	for {
		var answer restoreAnswer
		if err := s.ask(ctx, &s.scripts.restore, &args, &answer); err != nil {
			return err
		}
		if answer.Restored > 0 {
			s.metrics.restore(channel, answer.Restored)
			s.log.Info("jobs of a newer version restored: this program can read them", "channel", channel, "jobs", answer.Restored)
		}
		if args.Skip == 0 {
			latest = max(latest, answer.Latest)
		}
		if args.Skip += answer.Looked - answer.Restored; answer.Looked < restoreBatch {
			looked.Store(latest)
			return nil
		}
	}
}

// Restore puts back the jobs of the consumer's channel that an older program set aside: see restoreAll. It is harmless when there are none. Errors:
// queue.ErrUnavailable; some jobs may be back then.
func (c *Consumer) Restore(ctx context.Context) error { return c.store.restoreAll(ctx, c.channel) }
