package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// lookEvery is how often each server is asked about its replication: the precision of a window.
	lookEvery = 15 * time.Millisecond
	// lookTimeout is when a server is taken for one that does not answer.
	lookTimeout = 250 * time.Millisecond
)

// Replication is asynchronous: what a master has acknowledged in its last moments may not have reached the replica that is promoted in
// its place. watch bounds that window from Redis's own offsets, so that what falls into it can be told from what ringup itself lost: a
// promoted replica says up to which offset it had received the old master's stream, and the old master was asked for its offset all the
// time. What was acknowledged before the last question that was answered with no more than that offset had reached the replica. And the
// append-only file of the master that was deposed is kept, which has what it alone knew.
type watch struct {
	mu         sync.Mutex
	masters    []*server
	role       map[*server]string
	seen       map[*server]time.Time // when it last said what it is
	since      map[*server]time.Time // since when it has said so
	offsets    map[string][]offset   // by the id of a stream, in the order they were asked for
	promotions []*promotion
	dir        string
	saved      int
}

// offset is how far a master's stream was when it was asked.
type offset struct {
	asked time.Time
	at    int64
}

// promotion is a replica that became master.
type promotion struct {
	shard  int
	cause  string // the fault that it followed
	who    *server
	from   time.Time // what was acknowledged before had reached it
	seen   time.Time
	to     time.Time // since when nobody else has called itself master; zero: somebody may still
	behind int64     // bytes of the old master's stream that are known to have been lost
	files  []string  // append-only files of those who were deposed
	own    []string  // and of the promoted one, should it be deposed in turn

	contents [][]byte // of the files, once they were read
	lost     int      // jobs that are in these files, and nowhere else
}

func (p *promotion) covers(t time.Time, slack time.Duration) bool {
	return !t.Before(p.from) && (p.to.IsZero() || t.Before(p.to.Add(slack)))
}

// newWatch returns the watch of a topology whose first server of each shard is its master. Files are kept in dir.
func newWatch(t *topology, dir string) *watch {
	w := &watch{
		role: map[*server]string{}, seen: map[*server]time.Time{}, since: map[*server]time.Time{}, offsets: map[string][]offset{}, dir: dir,
	}
	for _, s := range t.servers {
		if s.shard == len(w.masters) {
			w.masters = append(w.masters, s)
		}
	}
	return w
}

func (w *watch) start(ctx context.Context, t *topology) {
	if t.kind == standalone {
		return
	}
	for _, s := range t.servers {
		t.watching.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				call, cancel := context.WithTimeout(ctx, lookTimeout)
				info, err := s.client.Info(call, "replication").Result()
				cancel()
				if err == nil {
					w.note(t, s, asked, info)
				}
				pause(ctx, lookEvery)
			}
		})
	}
}

// note takes in what a server says of its replication.
func (w *watch) note(t *topology, s *server, asked time.Time, info string) {
	number := func(name string) int64 { n, _ := strconv.ParseInt(field(info, name), 10, 64); return n }
	w.mu.Lock()
	defer w.mu.Unlock()
	role, before := field(info, "role"), w.role[s]
	w.role[s], w.seen[s] = role, asked
	if role != before {
		w.since[s] = asked
	}
	if role == "master" {
		id := field(info, "master_replid")
		w.offsets[id] = append(w.offsets[id], offset{asked, number("master_repl_offset")})
	}
	// A replica that has just been started may call itself master for a moment, in a cluster: it has no stream that it followed.
	if _, followed := w.offsets[field(info, "master_replid2")]; followed && role == "master" && before == "slave" {
		p := &promotion{shard: s.shard, who: s, seen: time.Now()}
		reached := number("second_repl_offset") - 1
		for _, o := range w.offsets[field(info, "master_replid2")] {
			if o.at <= reached {
				p.from = o.asked
			} else {
				p.behind = o.at - reached
			}
		}
		for _, other := range t.servers {
			if other.shard == s.shard && other != s {
				p.files = append(p.files, w.keep(other)...)
			}
		}
		p.own = w.keep(s)
		w.promotions = append(w.promotions, p)
		w.masters[s.shard] = s
	}
	w.fallBack(s)
	for _, p := range w.promotions {
		if p.to.IsZero() && p.shard == s.shard && w.alone(t, p) {
			p.to = time.Now()
		}
	}
}

// fallBack notices that the sentinels have given up on a promotion: the promoted replica follows again whom it was to replace, and what was
// acknowledged in its reign is forgotten.
func (w *watch) fallBack(s *server) {
	current := w.masters[s.shard]
	if s == current || w.role[s] != "master" || w.role[current] != "slave" || !w.seen[s].After(w.since[current]) {
		return
	}
	p := &promotion{shard: s.shard, who: s, cause: "a fail-over that was given up", seen: time.Now(), files: w.keep(current)}
	for _, earlier := range w.promotions {
		if earlier.who == current {
			p.from, p.files = earlier.from, append(p.files, earlier.own...)
		}
	}
	w.promotions = append(w.promotions, p)
	w.masters[s.shard] = s
}

// alone says that everybody else in the shard has said since the promotion that it is no master.
func (w *watch) alone(t *topology, p *promotion) bool {
	for _, s := range t.servers {
		if s.shard == p.shard && s != w.masters[p.shard] && (w.role[s] != "slave" || w.seen[s].Before(p.seen)) {
			return false
		}
	}
	return true
}

// keep links a server's append-only files, so that they stay, with all that is still to be written to them, when it copies its new master.
func (w *watch) keep(s *server) (kept []string) {
	files, _ := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.aof"))
	old, _ := filepath.Glob(filepath.Join(s.dir, "*.aof")) // Redis 6.2
	for _, file := range append(files, old...) {
		w.saved++
		link := filepath.Join(w.dir, fmt.Sprintf("kept-%d.aof", w.saved))
		if os.Link(file, link) == nil {
			kept = append(kept, link)
		}
	}
	return kept
}

func (w *watch) master(shard int) *server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.masters[shard]
}

// blame names the fault that those promotions followed that nothing was named for yet.
func (w *watch) blame(cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.promotions {
		if p.cause == "" {
			p.cause = cause
		}
	}
}

// seenPromotions returns what has been promoted so far.
func (w *watch) seenPromotions() []promotion {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []promotion
	for _, p := range w.promotions {
		all = append(all, *p)
	}
	return all
}

// deposed says whether a text stands in the append-only file of a master that was deposed.
func (p *promotion) deposed(text string) bool {
	for _, file := range p.files[len(p.contents):] {
		content, _ := os.ReadFile(file) // one that is gone has nothing
		p.contents = append(p.contents, content)
	}
	return slices.ContainsFunc(p.contents, func(content []byte) bool { return bytes.Contains(content, []byte(text)) })
}
