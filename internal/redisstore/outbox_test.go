package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
)

// TestListsOfALargeOutbox: whatever the outbox keeps, a list of it has a bounded number of messages, and of bytes: the newest.
func TestListsOfALargeOutbox(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct{ kept, size, keep, want int }{
		"few":          {kept: 30, want: 30},
		"many":         {kept: outboxListed + 30, want: outboxListed},
		"large":        {kept: 60, size: outboxBytes / 30, want: 40},
		"its own size": {kept: 30, keep: 7, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, url(miniredis.RunT(t).Addr()), nil)
			pipe := store.client.Pipeline()
			for i := range one.kept {
				text := fmt.Sprintf(`{"channel":"sms","text":%q,"sent_at":%q}`, strings.Repeat("x", one.size), time.Unix(int64(i), 0).UTC().Format(time.RFC3339))
				pipe.LPush(t.Context(), store.keys[message.SMS].Outbox, text)
			}
			if _, err := exec(t.Context(), pipe); err != nil {
				t.Fatal(err)
			}
			var entries []sandbox.Entry
			entries, err := store.Outbox(one.keep).List(t.Context())
			if err != nil || len(entries) != one.want || entries[0].SentAt.Unix() != int64(one.kept-1) {
				t.Errorf("%d entries of %d, want the newest %d: %v", len(entries), one.kept, one.want, err)
			}
		})
	}
}
