package redisstore

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The log of accepted webhooks is what a search goes through: base:found:<Unix ms / foundSpan>, a string to which the enqueue script appends an entry for each
// webhook that it adds, all of a call at once. docs/decisions/0020 has the reasons.
//
//	0-1   the length of the entry, big endian
//	2     1, the version
//	3-8   accepted at, Unix ms, big endian
//	9     the number of terms
//	10-   four bytes of each: see terms
//	+     the webhook's id
const (
	foundVersion = 1
	foundHeader  = 10
	termBytes    = 4
	maxTerms     = 32
	// foundSpan is the time whose entries share a key: at a thousand webhooks per second some 300 kB.
	foundSpan = 4096 // ms
	// foundKeys and foundBytes bound what one call of the script reads: some 2 ms of Redis's time.
	foundKeys  = 1024
	foundBytes = 1 << 20
	// foundMost is how many webhooks of one key are given at most: of a load test one person has thousands within a second.
	foundMost = 1000
	// foundShare is which part of Redis's time a search takes: after each call it waits for as long as the call took, so many times less one.
	foundShare = 5
)

func (k *Keys) found() string { return k.Base + ":found:" }

// The kinds of terms.
const (
	termText   = 't' // an order, a transaction, a name
	termPerson = 'p' // a recipient or the customer, by address
)

// terms makes the four bytes that stand for a term in the log: of a keyed hash, so that the log names nobody. One term in four billion has another's.
type terms struct{ mac hash.Hash }

func newTerms(key []byte) terms { return terms{hmac.New(sha256.New, key)} }

func (t terms) of(kind byte, text string) (term [termBytes]byte) {
	var buffer [sha256.Size + 64]byte
	t.mac.Reset()
	_, _ = t.mac.Write(append(append(buffer[:0], 'f', kind), text...)) // of a hash, it has no error
	copy(term[:], t.mac.Sum(buffer[:0]))
	return term
}

// folded is a text as a search compares it: without case, accents, a # in front, and spaces that are not between words. "" for nothing.
func folded(text string) string {
	plain := true
	for i := range len(text) {
		plain = plain && text[i] < utf8.RuneSelf
	}
	if !plain {
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, norm.NFKD.String(text))
	}
	if strings.ContainsFunc(text, unicode.IsSpace) {
		text = strings.Join(strings.Fields(text), " ")
	}
	return strings.TrimLeft(strings.ToLower(text), "# ")
}

// foundEntry returns the log's entry for a webhook: by its order, its transaction, its customer's name, and everybody whom it has a message for.
func foundEntry(namer personNamer, w *queue.Submission) []byte {
	e := w.Event
	if len(namer) == 0 {
		return nil
	}
	hashes, terms := newTerms(namer[0]), make([][termBytes]byte, 0, 8)
	add := func(kind byte, text string) {
		if text != "" && len(terms) < maxTerms {
			terms = append(terms, hashes.of(kind, text))
		}
	}
	texts, people := make([]string, 0, 4), make([]message.Address, 0, 4)
	for _, text := range []string{e.Sale.OrderID, e.Sale.OrderName, e.Sale.TransactionID, e.Customer.Name} {
		if text = folded(text); !slices.Contains(texts, text) {
			texts = append(texts, text)
			add(termText, text)
		}
	}
	for i := range w.Channels {
		for _, r := range w.Channels[i].Recipients {
			if key := r.Address.Key(); r.Audience == message.Customer && !slices.Contains(people, key) {
				people = append(people, key)
				add(termPerson, key.Reveal())
			}
		}
	}
	size := foundHeader + termBytes*len(terms) + len(e.ID)
	entry := binary.BigEndian.AppendUint16(make([]byte, 0, size), uint16(size))
	entry = append(entry, foundVersion)
	entry = append(appendMillis(entry, w.AcceptedAt), byte(len(terms)))
	for _, term := range terms {
		entry = append(entry, term[:]...)
	}
	return append(entry, e.ID...)
}

// findArgs are the arguments of find.lua.
type findArgs struct {
	Keys  []string `key:"log"`
	Bytes int      `lua:"bytes"`
	Most  int      `lua:"most"`
	Terms []string `lua:"term"`
}

// findAnswer is the answer of find.lua.
type findAnswer struct {
	Entries []string `lua:"entries"`
	Left    int      `lua:"left"`    // how many more than Most the keys had
	Through int      `lua:"through"` // how many keys were read
	Bytes   int      `lua:"bytes"`
}

// Find goes through the log of accepted webhooks, from the latest back, for those with a text or an address; it returns when it has r.Limit, when it has
// taken r.For, or at the end. Errors: queue.ErrUnavailable.
func (s *Store) Find(ctx context.Context, r queue.FindRequest) (*queue.Found, error) {
	namer, err := s.namer(ctx)
	if err != nil {
		return nil, err
	}
	var terms []string
	for _, key := range namer {
		hashes := newTerms(key)
		if text := folded(r.Text); text != "" {
			term := hashes.of(termText, text)
			terms = append(terms, string(term[:]))
		}
		for _, to := range r.Addresses {
			term := hashes.of(termPerson, to.Key().Reveal())
			terms = append(terms, string(term[:]))
		}
	}
	begun := time.Now()
	oldest := begun.Add(-s.config.StatusTTL)
	if r.From.After(oldest) {
		oldest = r.From
	}
	latest := begun.Add(time.Minute) // clocks differ
	if !r.To.IsZero() && r.To.Before(latest) {
		latest = r.To
	}
	out := &queue.Found{}
	for at, last := latest.UnixMilli()/foundSpan, oldest.UnixMilli()/foundSpan; ; {
		out.Back = time.UnixMilli((at+1)*foundSpan - 1)
		if at < last || len(terms) == 0 && !r.Any {
			out.Back, out.End = oldest, true
			return out, nil
		}
		if len(out.Webhooks) >= r.Limit || r.For > 0 && time.Since(begun) >= r.For {
			return out, nil
		}
		n := min(at-last+1, foundKeys)
		took, err := s.findIn(ctx, at, n, terms, out)
		if err != nil {
			return nil, err
		}
		at -= took
	}
}

// findIn looks through some spans of the log, the latest of which is at, and returns how many it came through: of every shard of a cluster the same.
func (s *Store) findIn(ctx context.Context, at, n int64, terms []string, out *queue.Found) (through int64, err error) {
	through = n
	var answers []findAnswer
	for slot := range s.slots {
		k := s.keys[s.slots[slot][0]]
		args := findArgs{Bytes: foundBytes, Most: foundMost, Terms: terms}
		for i := range through {
			args.Keys = append(args.Keys, k.found()+strconv.FormatInt(at-i, 10))
		}
		var answer findAnswer
		begun := time.Now()
		if err := s.ask(ctx, &s.scripts.find, &args, &answer); err != nil {
			return 0, err
		}
		took := time.Since(begun)
		if answer.Through < 1 {
			return 0, fmt.Errorf("%w: a search came to nothing", queue.ErrUnavailable)
		}
		through = min(through, int64(answer.Through))
		answers = append(answers, answer)
		out.Bytes += int64(answer.Bytes)
		select {
		case <-time.After((foundShare - 1) * took):
		case <-ctx.Done():
			return 0, unavailable(ctx.Err())
		}
	}
	var found []queue.FoundWebhook
	left := 0
	for _, answer := range answers {
		left = max(left, answer.Left) // in a cluster, each channel's shard has the same webhook
		for _, entry := range answer.Entries {
			one, valid := readFound(entry)
			same := func(other queue.FoundWebhook) bool { return other.ID == one.ID }
			// A shard that came further than another is asked for the rest again.
			if valid && !slices.ContainsFunc(found, same) && !slices.ContainsFunc(out.Webhooks, same) {
				found = append(found, one)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b queue.FoundWebhook) int { return b.AcceptedAt.Compare(a.AcceptedAt) })
	out.Webhooks, out.Left = append(out.Webhooks, found...), out.Left+left
	return through, nil
}

// readFound reads an entry; false for one of a later version.
func readFound(entry string) (one queue.FoundWebhook, valid bool) {
	if len(entry) < foundHeader || entry[2] != foundVersion {
		return one, false
	}
	id := foundHeader + termBytes*int(entry[9])
	if len(entry) < id {
		return one, false
	}
	return queue.FoundWebhook{ID: entry[id:], AcceptedAt: millis(entry[3:9]).UTC()}, true
}
