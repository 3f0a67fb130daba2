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
	// infoEvery is the pause between two questions about replication to a server: the precision of a window.
	infoEvery = 15 * time.Millisecond
	// infoTimeout is the longest wait for the answer.
	infoTimeout = 250 * time.Millisecond
)

// watch tells losses by replication from losses by ringup. Replication is asynchronous: the last writes that a master acknowledged may not
// have reached the replica that is promoted instead. watch bounds that window by Redis's own offsets.
//
//   - A promoted replica says up to which offset it had received the old master's stream.
//   - The old master was asked for its offset all the time. Writes that it acknowledged before its last answer up to that offset had reached
//     the replica.
//   - The append-only file of the deposed master is stored. It has the writes that only that master knew.
type watch struct {
	mu         sync.Mutex
	masters    []*server
	role       map[*server]string
	seen       map[*server]time.Time // the time of its latest answer
	since      map[*server]time.Time // the time of the first answer with its present role
	offsets    map[string][]offset   // by the id of a stream, oldest first
	promotions []*promotion
	dir        string
	saved      int
}

// offset is the length of a master's stream at a time.
type offset struct {
	asked time.Time
	at    int64
}

// promotion is a replica that became master.
type promotion struct {
	shard  int
	cause  string // the fault before it
	who    *server
	from   time.Time // writes that were acknowledged before this time had reached the replica
	seen   time.Time
	to     time.Time // the time from which it is the only master; zero as long as another server may be one
	behind int64     // bytes of the old master's stream that did not reach the replica, at least
	files  []string  // append-only files of deposed masters
	own    []string  // append-only files of the promoted replica, which may be deposed in turn

	contents [][]byte // of the files, once they are read
	lost     int      // jobs that only these files have
}

func (p *promotion) covers(t time.Time, slack time.Duration) bool {
	return !t.Before(p.from) && (p.to.IsZero() || t.Before(p.to.Add(slack)))
}

// newWatch returns the watch of a topology whose first server of each shard is its master. Append-only files are stored in dir.
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
				call, cancel := context.WithTimeout(ctx, infoTimeout)
				info, err := s.client.Info(call, "replication").Result()
				cancel()
				if err == nil {
					w.note(t, s, asked, info)
				}
				pause(ctx, infoEvery)
			}
		})
	}
}

// note records a server's answer about its replication, and notices promotions.
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
	// In a cluster, a replica that has just started may call itself master for a moment. It followed no stream before.
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
				p.files = append(p.files, w.link(other)...)
			}
		}
		p.own = w.link(s)
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

// fallBack notices that the sentinels have given up a promotion: the promoted replica follows the old master again, and loses the writes
// that it acknowledged in between. That counts as another promotion.
func (w *watch) fallBack(s *server) {
	current := w.masters[s.shard]
	if s == current || w.role[s] != "master" || w.role[current] != "slave" || !w.seen[s].After(w.since[current]) {
		return
	}
	p := &promotion{shard: s.shard, who: s, cause: "a fail-over that was given up", seen: time.Now(), files: w.link(current)}
	for _, earlier := range w.promotions {
		if earlier.who == current {
			p.from, p.files = earlier.from, append(p.files, earlier.own...)
		}
	}
	w.promotions = append(w.promotions, p)
	w.masters[s.shard] = s
}

// alone says whether every other server of the shard has answered since the promotion that it is a replica.
func (w *watch) alone(t *topology, p *promotion) bool {
	for _, s := range t.servers {
		if s.shard == p.shard && s != w.masters[p.shard] && (w.role[s] != "slave" || w.seen[s].Before(p.seen)) {
			return false
		}
	}
	return true
}

// link makes hard links to a server's append-only files, and returns their names. The files stay, with later writes, when the server
// replaces them by a copy of its new master's data.
func (w *watch) link(s *server) (links []string) {
	files, _ := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.aof"))
	old, _ := filepath.Glob(filepath.Join(s.dir, "*.aof")) // Redis 6.2
	for _, file := range append(files, old...) {
		w.saved++
		link := filepath.Join(w.dir, fmt.Sprintf("stored-%d.aof", w.saved))
		if os.Link(file, link) == nil {
			links = append(links, link)
		}
	}
	return links
}

func (w *watch) master(shard int) *server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.masters[shard]
}

// blame names the fault before the promotions that have no cause yet.
func (w *watch) blame(cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.promotions {
		if p.cause == "" {
			p.cause = cause
		}
	}
}

// seenPromotions returns a copy of the promotions so far, oldest first.
func (w *watch) seenPromotions() []promotion {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []promotion
	for _, p := range w.promotions {
		all = append(all, *p)
	}
	return all
}

// deposed says whether a text is in the append-only file of a deposed master.
func (p *promotion) deposed(text string) bool {
	for _, file := range p.files[len(p.contents):] {
		content, _ := os.ReadFile(file) // a file that is gone has no text
		p.contents = append(p.contents, content)
	}
	return slices.ContainsFunc(p.contents, func(content []byte) bool { return bytes.Contains(content, []byte(text)) })
}
