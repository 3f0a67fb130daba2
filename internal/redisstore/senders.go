package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/queue"
)

const (
	// maxAside and maxAsideBytes bound the webhooks that are set aside; the oldest beyond them are dropped.
	maxAside      = 500
	maxAsideBytes = 32 << 20
	// keepDeliveries is how many deliveries are kept of each sender, and as many that were refused.
	keepDeliveries = 100
	// deliveriesTTL is how long they are kept without a RETENTION.
	deliveriesTTL = 30 * 24 * time.Hour
)

// senderKeys are the keys of senders' webhooks: of no channel, so that their hash tag is their own.
type senderKeys struct {
	base   string
	aside  string // hash: the webhooks that are set aside, and their bodies
	index  string // sorted set: their ids, by when they were stored (ms)
	replay string // list: the ids of those to be read again, the first at the end
	counts string // hash: how often each sender's webhooks had each outcome, and when last
}

func (s *Store) senderKeys() senderKeys {
	base := "{" + s.config.Prefix + ":senders}"
	return senderKeys{base: base, aside: base + ":aside", index: base + ":index", replay: base + ":replay", counts: base + ":counts"}
}

// latest and refused are lists of deliveries, the latest first.
func (k *senderKeys) latest(sender string) string  { return k.base + ":latest:" + sender }
func (k *senderKeys) refused(sender string) string { return k.base + ":refused:" + sender }

// asideArgs are the arguments of aside.lua.
type asideArgs struct {
	Aside     string        `key:"aside"`
	Index     string        `key:"index"`
	ID        string        `lua:"id"`
	About     []byte        `lua:"about"`
	Body      []byte        `lua:"body"`
	Most      int           `lua:"most"`
	Bytes     int           `lua:"bytes"`
	Retention time.Duration `lua:"retention"`
}

// asideAnswer is the answer of aside.lua.
type asideAnswer struct {
	Dropped int `lua:"dropped"`
}

// SetAside stores a webhook that could not be read, until it is replayed or deleted, or RETENTION is over. The oldest beyond 500, or 32 MiB, are dropped. Errors:
// queue.ErrUnavailable.
func (s *Store) SetAside(ctx context.Context, a *queue.SetAside) error {
	about, err := json.Marshal(a)
	if err != nil {
		return err
	}
	dropped, err := s.aside(ctx, a.ID, about, a.Body)
	if dropped > 0 {
		s.log.Error("webhooks set aside were dropped: there are too many", "dropped", dropped, "most", maxAside, "most_bytes", maxAsideBytes)
	}
	return err
}

// aside runs aside.lua; with an empty id it only lets the old ones go.
func (s *Store) aside(ctx context.Context, id string, about, body []byte) (dropped int, err error) {
	k := s.senderKeys()
	var answer asideAnswer
	err = s.ask(ctx, &s.scripts.aside, &asideArgs{Aside: k.aside, Index: k.index, ID: id, About: about, Body: body,
		Most: maxAside, Bytes: maxAsideBytes, Retention: s.config.Retention}, &answer)
	return answer.Dropped, err
}

// Aside returns the webhooks that are set aside, the latest first, without their bodies. Errors: queue.ErrUnavailable.
func (s *Store) Aside(ctx context.Context) ([]queue.SetAside, error) {
	k := s.senderKeys()
	ids, err := s.client.ZRevRange(ctx, k.index, 0, maxAside-1).Result()
	if err != nil || len(ids) == 0 {
		return []queue.SetAside{}, unavailable(err)
	}
	texts, err := s.client.HMGet(ctx, k.aside, ids...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	all := []queue.SetAside{}
	for _, text := range texts {
		var one queue.SetAside
		if about, is := text.(string); is && json.Unmarshal([]byte(about), &one) == nil {
			all = append(all, one)
		}
	}
	return all, nil
}

// AsideBody returns the body of a webhook that is set aside; nil when it is not there any more. Errors: queue.ErrUnavailable.
func (s *Store) AsideBody(ctx context.Context, id string) ([]byte, error) {
	k := s.senderKeys()
	body, err := s.client.HGet(ctx, k.aside, id+":body").Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return body, unavailable(err)
}

// Replay has ingest read webhooks again that are set aside, the oldest first; with no ids, all of them. It returns how many. Errors: queue.ErrUnavailable.
func (s *Store) Replay(ctx context.Context, ids []string) (int, error) {
	ids, err := s.asideIDs(ctx, ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	k := s.senderKeys()
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	pipe := s.client.Pipeline()
	pipe.Del(ctx, k.replay) // those that wait already are among them, or still set aside
	pipe.LPush(ctx, k.replay, values...)
	_, err = exec(ctx, pipe)
	return len(ids), unavailable(err)
}

// DropAside deletes webhooks that are set aside; with no ids, all of them. It returns how many. Errors: queue.ErrUnavailable.
func (s *Store) DropAside(ctx context.Context, ids []string) (int, error) {
	ids, err := s.asideIDs(ctx, ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	k := s.senderKeys()
	pipe := s.client.Pipeline()
	for _, id := range ids {
		pipe.HDel(ctx, k.aside, id, id+":body")
		pipe.ZRem(ctx, k.index, id)
	}
	_, err = exec(ctx, pipe)
	return len(ids), unavailable(err)
}

// asideIDs returns those of some ids that are set aside, the oldest first; all where none are named.
func (s *Store) asideIDs(ctx context.Context, ids []string) ([]string, error) {
	k := s.senderKeys()
	all, err := s.client.ZRange(ctx, k.index, 0, -1).Result()
	if err != nil || len(ids) == 0 {
		return all, unavailable(err)
	}
	return slices.DeleteFunc(all, func(id string) bool { return !slices.Contains(ids, id) }), nil
}

// NextReplay returns the next webhook that is to be read again; nil when there is none. It stays set aside until EndReplay, so that a program that dies meanwhile loses
// nothing. Errors: queue.ErrUnavailable.
func (s *Store) NextReplay(ctx context.Context) (*queue.SetAside, error) {
	k := s.senderKeys()
	for {
		id, err := s.client.RPop(ctx, k.replay).Result()
		if errors.Is(err, redis.Nil) {
			return nil, nil
		}
		if err != nil {
			return nil, unavailable(err)
		}
		texts, err := s.client.HMGet(ctx, k.aside, id, id+":body").Result()
		if err != nil {
			return nil, unavailable(err)
		}
		var one queue.SetAside
		about, is := texts[0].(string)
		body, has := texts[1].(string)
		if is && has && json.Unmarshal([]byte(about), &one) == nil {
			one.Body = []byte(body)
			return &one, nil
		}
	}
}

// EndReplay lets a webhook go that was read. Errors: queue.ErrUnavailable.
func (s *Store) EndReplay(ctx context.Context, id string) error {
	_, err := s.DropAside(ctx, []string{id})
	return err
}

// notedArgs are the arguments of noted.lua.
type notedArgs struct {
	Latest   string        `key:"latest"`
	Refused  string        `key:"refused"`
	Counts   string        `key:"counts"`
	Sender   string        `lua:"sender"`
	Keep     int           `lua:"keep"`
	TTL      time.Duration `lua:"ttl"`
	Before   string        `lua:"before"`
	Let      [][]byte      `lua:"latest"`
	Stopped  [][]byte      `lua:"refused"`
	Outcomes []notedRow    `lua:"outcome"`
}

type notedRow struct {
	Name  string `lua:"name"`
	Count int64  `lua:"count"`
	Time  int64  `lua:"time"`
}

// NoteDeliveries keeps the latest deliveries of a sender, of RETENTION or 30 days, and counts all of them, in one command. Errors: queue.ErrUnavailable.
func (s *Store) NoteDeliveries(ctx context.Context, d *queue.Deliveries) error {
	k := s.senderKeys()
	ttl := cmp.Or(s.config.Retention, deliveriesTTL)
	args := notedArgs{Latest: k.latest(d.Sender), Refused: k.refused(d.Sender), Counts: k.counts, Sender: d.Sender, Keep: keepDeliveries, TTL: ttl,
		Before: time.Now().Add(-ttl).UTC().Format("2006-01-02T15:04:05")}
	for _, list := range []struct {
		of   []queue.Delivery
		into *[][]byte
	}{{d.Latest, &args.Let}, {d.Refused, &args.Stopped}} {
		for _, one := range list.of {
			text, err := json.Marshal(one)
			if err != nil {
				return err
			}
			*list.into = append(*list.into, text)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(d.Counts)) {
		args.Outcomes = append(args.Outcomes, notedRow{outcome, d.Counts[outcome], time.Now().UnixMilli()})
	}
	return s.ask(ctx, &s.scripts.noted, &args, nil)
}

// retainSenders deletes the webhooks that were set aside, and the deliveries that were noted, before RETENTION. Errors: queue.ErrUnavailable.
func (s *Store) retainSenders(ctx context.Context) error {
	_, err := s.aside(ctx, "", nil, nil)
	counts, countsErr := s.client.HGetAll(ctx, s.senderKeys().counts).Result()
	errs := []error{err, unavailable(countsErr)}
	seen := map[string]bool{}
	for field := range counts {
		if name, _, _ := strings.Cut(field, "/"); !seen[name] {
			seen[name] = true
			errs = append(errs, s.NoteDeliveries(ctx, &queue.Deliveries{Sender: name}))
		}
	}
	return errors.Join(errs...)
}

// Senders returns the state of each sender that ever posted a webhook, by name. Errors: queue.ErrUnavailable.
func (s *Store) Senders(ctx context.Context) ([]queue.SenderState, error) {
	k := s.senderKeys()
	counts, err := s.client.HGetAll(ctx, k.counts).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	outcomes := map[string]map[string]queue.OutcomeCount{}
	for field, text := range counts {
		sender, outcome, _ := strings.Cut(field, "/")
		outcome, isTime := strings.CutSuffix(outcome, "/at")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		if outcomes[sender] == nil {
			outcomes[sender] = map[string]queue.OutcomeCount{}
		}
		one := outcomes[sender][outcome]
		if isTime {
			one.Last = time.UnixMilli(n).UTC()
		} else {
			one.Count = n
		}
		outcomes[sender][outcome] = one
	}
	all := []queue.SenderState{}
	for _, sender := range slices.Sorted(maps.Keys(outcomes)) {
		latest, err := s.deliveries(ctx, k.latest(sender), k.refused(sender))
		if err != nil {
			return nil, err
		}
		all = append(all, queue.SenderState{Sender: sender, Outcomes: outcomes[sender], Latest: latest})
	}
	return all, nil
}

// deliveries reads lists of deliveries, and returns them together, the latest first.
func (s *Store) deliveries(ctx context.Context, keys ...string) ([]queue.Delivery, error) {
	all := []queue.Delivery{}
	for _, key := range keys {
		texts, err := s.client.LRange(ctx, key, 0, keepDeliveries-1).Result()
		if err != nil {
			return nil, unavailable(err)
		}
		for _, text := range texts {
			var one queue.Delivery
			if json.Unmarshal([]byte(text), &one) == nil {
				all = append(all, one)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b queue.Delivery) int { return b.At.Compare(a.At) })
	return all, nil
}
