package redisstore

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The suppression list and the recipient's limit need no address that can be read, so they keep a person under a name: the HMAC-SHA-256 of the
// address's key under PRIVACY_KEY. Without PRIVACY_KEY the key is made at random, once, and kept in Redis: that hides addresses in a list, and not
// from a thief of all of Redis, who tries numbers.

const (
	// A name is the first bytes of the hash of the key, so that it is known which key made it, and those of the person's HMAC: 128 bits, so that
	// nobody finds two persons of one name.
	keyMark, personMark = 3, 16
)

// The fields of the hash base:privacy of the first channel, which all channels share. In a cluster the others have copies.
const (
	madeField  = "key"    // the key that was made at random
	inUseField = "in_use" // the mark of the key that new names are made with
)

// personNamer makes the names of persons. The first key makes new names; what any of them made is found.
type personNamer [][]byte

// mark tells keys apart, and gives nothing of them away.
func mark(key []byte) []byte {
	sum := sha256.Sum256(append([]byte("ringup privacy key "), key...))
	return sum[:keyMark]
}

// names returns the names of an address's person, first the one that new entries get.
func (n personNamer) names(to message.Address) []string {
	out := make([]string, 0, len(n)+2)
	for _, key := range n {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(to.Key().Reveal()))
		out = append(out, base64.RawURLEncoding.EncodeToString(append(mark(key), mac.Sum(nil)[:personMark]...)))
	}
	return out
}

// knows says whether a text is a name that one of the keys made.
func (n personNamer) knows(name string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(name)
	if err != nil || len(raw) != keyMark+personMark {
		return false
	}
	for _, key := range n {
		if string(raw[:keyMark]) == string(mark(key)) {
			return true
		}
	}
	return false
}

// isAddress says whether a field of the suppression list is an address, as 0.1.0 wrote it, and no name.
func isAddress(field string) bool { return strings.ContainsAny(field, "+@") }

// privacy reads the keys when they are needed first, and a key that was made at random every minute: where Redis has lost everything, all programs
// go on with the same new one.
type privacy struct {
	turn  chan struct{} // of one, to read or change the others: a caller waits for it no longer than its own time
	namer personNamer
	read  time.Time
}

// privacyEvery is how often a key that was made at random is read again.
const privacyEvery = time.Minute

// namer returns what makes persons' names. Errors: queue.ErrUnavailable, also where this program's PRIVACY_KEY is not the others'.
func (s *Store) namer(ctx context.Context) (personNamer, error) {
	select {
	case s.privacy.turn <- struct{}{}:
		defer func() { <-s.privacy.turn }()
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
	if s.privacy.namer != nil && (len(s.config.PrivacyKey) > 0 || time.Since(s.privacy.read) < privacyEvery) {
		return s.privacy.namer, nil
	}
	ctx, cancel := halfOf(ctx)
	defer cancel()
	namer, err := s.readNamer(ctx)
	if err != nil && !errors.Is(err, errOtherKey) && s.privacy.namer != nil {
		// The key is on one shard of a cluster, and the channels of the others go on without it.
		namer, err = s.privacy.namer, nil
	}
	if err == nil {
		s.privacy.namer, s.privacy.read = namer, time.Now()
	}
	return namer, err
}

// errOtherKey means that new entries would be found by nobody.
var errOtherKey = errors.New("PRIVACY_KEY is not the one that the suppression list was written with: give every program the same, and keep the former one behind a comma")

func (s *Store) readNamer(ctx context.Context) (personNamer, error) {
	first := message.Channels[0]
	var namer personNamer
	for _, one := range s.config.PrivacyKey {
		namer = append(namer, []byte(one.Reveal()))
	}
	known, at, err := s.knownKeys(ctx)
	if err != nil {
		return nil, err
	}
	if known.made == "" && len(namer) == 0 {
		if known.made, err = s.makeKey(ctx, s.privacyKey(first)); err != nil {
			return nil, err
		}
	}
	if known.made != "" {
		namer = append(namer, []byte(known.made))
	}
	marks := make([]string, len(namer))
	for i, one := range namer {
		marks[i] = base64.RawURLEncoding.EncodeToString(mark(one))
	}
	if known.inUse != "" && !slices.Contains(marks, known.inUse) {
		return nil, fmt.Errorf("%w: %w", queue.ErrUnavailable, errOtherKey)
	}
	if at != first {
		return namer, nil
	}
	if known.inUse != marks[0] { // a full Redis takes no write, not even of what is there
		if err := s.client.HSet(ctx, s.privacyKey(first), inUseField, marks[0]).Err(); err != nil {
			return nil, unavailable(err)
		}
	}
	s.copyKeys(ctx, privacyKeys{known.made, marks[0]})
	return namer, nil
}

// privacyKeys is what the hash base:privacy has: the key that was made at random, and the mark of the one in use.
type privacyKeys struct{ made, inUse string }

func (s *Store) privacyKey(channel message.Channel) string { return s.keys[channel].Base + ":privacy" }

// knownKeys reads the hash of the first channel, or, where its shard of a cluster does not answer, the copy of another channel: a worker of that one
// may start meanwhile. It returns the channel that it is of.
func (s *Store) knownKeys(ctx context.Context) (privacyKeys, message.Channel, error) {
	first := message.Channels[0]
	if len(s.slots[0]) > 1 {
		known, err := s.keysOf(ctx, first)
		return known, first, err
	}
	call, cancel := halfOf(ctx)
	known, err := s.keysOf(call, first)
	cancel()
	if err == nil {
		return known, first, nil
	}
	for _, channel := range message.Channels[1:] {
		if known, copyErr := s.keysOf(ctx, channel); copyErr == nil && known.inUse != "" {
			return known, channel, nil
		}
	}
	return privacyKeys{}, first, err
}

func (s *Store) keysOf(ctx context.Context, channel message.Channel) (privacyKeys, error) {
	known, err := s.client.HMGet(ctx, s.privacyKey(channel), madeField, inUseField).Result()
	if err != nil {
		return privacyKeys{}, unavailable(err)
	}
	return privacyKeys{text(known[0]), text(known[1])}, nil
}

// copyKeys notes the keys beside the other channels of a cluster. One that does not answer is passed over until the next time.
func (s *Store) copyKeys(ctx context.Context, keys privacyKeys) {
	if len(s.slots[0]) > 1 {
		return
	}
	for _, channel := range message.Channels[1:] {
		if known, err := s.keysOf(ctx, channel); err != nil || known == keys {
			continue
		}
		fields := []string{inUseField, keys.inUse}
		if keys.made != "" {
			fields = append(fields, madeField, keys.made)
		}
		_ = s.client.HSet(ctx, s.privacyKey(channel), fields).Err()
	}
}

// makeKey makes a key at random, unless another program has made one by now, and returns the one that counts.
func (s *Store) makeKey(ctx context.Context, key string) (string, error) {
	pipe := s.client.Pipeline()
	pipe.HSetNX(ctx, key, madeField, rand.Text())
	made := pipe.HGet(ctx, key, madeField)
	if _, err := exec(ctx, pipe); err != nil {
		return "", unavailable(err)
	}
	if made.Val() == "" {
		return "", fmt.Errorf("%w: there is no privacy key", queue.ErrUnavailable)
	}
	return made.Val(), nil
}

// aliases returns the other names of a person: of the number by which a provider knows the one that was written to, or the reverse. Errors:
// queue.ErrUnavailable.
func (s *Store) aliases(ctx context.Context, channel message.Channel, names []string) (others []string, err error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	found := make([]*redis.StringCmd, len(names))
	for i, name := range names {
		found[i] = pipe.Get(ctx, k.alias(name))
	}
	if _, err := exec(ctx, pipe); err != nil {
		return nil, unavailable(err)
	}
	for _, one := range found {
		if other := one.Val(); other != "" && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return others, nil
}

// forgetAliases deletes the links between an address's person and their other names. Errors: queue.ErrUnavailable.
func (s *Store) forgetAliases(ctx context.Context, channel message.Channel, address message.Address) error {
	namer, err := s.namer(ctx)
	if err != nil {
		return err
	}
	names := namer.names(address)
	others, err := s.aliases(ctx, channel, names)
	if err != nil {
		return err
	}
	k, keys := s.keys[channel], []string{}
	for _, name := range append(names, others...) {
		keys = append(keys, k.alias(name))
	}
	return unavailable(s.client.Del(ctx, keys...).Err())
}

// rekeyArgs are the arguments of rekey.lua.
type rekeyArgs struct {
	Suppressed string     `key:"suppressed"`
	Rows       []rekeyRow `lua:"entry"`
}

type rekeyRow struct {
	Address string `lua:"address"`
	Name    string `lua:"name"`
	Masked  string `lua:"masked"`
}

// rekey puts entries that 0.1.0 wrote by address under the names of their persons. An address without an entry is passed over. Errors:
// queue.ErrUnavailable.
func (s *Store) rekey(ctx context.Context, channel message.Channel, addresses []message.Address) error {
	namer, err := s.namer(ctx)
	if err != nil || len(addresses) == 0 {
		return err
	}
	args := rekeyArgs{Suppressed: s.keys[channel].Suppressed}
	for _, one := range addresses {
		args.Rows = append(args.Rows, rekeyRow{one.Reveal(), namer.names(one)[0], one.Key().String()})
	}
	return s.ask(ctx, &s.scripts.rekey, &args, nil)
}

// rekeyAll puts all of a channel's entries that 0.1.0 wrote by address under the names of their persons. Errors: queue.ErrUnavailable.
func (s *Store) rekeyAll(ctx context.Context, channel message.Channel) error {
	for cursor := uint64(0); ; {
		page, next, err := s.client.HScan(ctx, s.keys[channel].Suppressed, cursor, "", scanBatch).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return unavailable(err)
		}
		var old []message.Address
		for i := 0; i+1 < len(page); i += 2 {
			if isAddress(page[i]) {
				old = append(old, message.Address(page[i]))
			}
		}
		if err := s.rekey(ctx, channel, old); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func addressesOf(fields []string) []message.Address {
	out := make([]message.Address, len(fields))
	for i, one := range fields {
		out[i] = message.Address(one)
	}
	return out
}
