package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	neturl "net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// asideBatch is how many bodies one look has, or a few more.
const asideBatch = 10

// forgetAside looks at some of the webhooks that are set aside, the oldest first, from a time (ms) on, and deletes those that name the person. Others may go meanwhile: so
// the next look begins at a time, and not at a place.
func (s *Store) forgetAside(ctx context.Context, r *queue.ForgetRequest, from int64, found *queue.Forgotten) (next uint64, through bool, err error) {
	ids, last, err := s.asideFrom(ctx, from)
	if err != nil || len(ids) == 0 {
		return 0, true, err
	}
	for _, id := range ids {
		body, err := s.AsideBody(ctx, id)
		if err != nil {
			return 0, false, err
		}
		found.Seen++
		if !namesPerson(body, r.Person) {
			continue
		}
		found.Aside++
		if r.DryRun {
			continue
		}
		if _, err := s.DropAside(ctx, []string{id}); err != nil {
			return 0, false, err
		}
	}
	return uint64(last + 1), false, nil
}

// asideFrom returns the ids of webhooks that were set aside at a time (ms) or later, the oldest first, with all of the last one's time, and that time.
func (s *Store) asideFrom(ctx context.Context, from int64) (ids []string, last int64, err error) {
	key := s.senderKeys().index
	some, err := s.client.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: key, ByScore: true, Start: from, Stop: "+inf", Count: asideBatch}).Result()
	if err != nil || len(some) == 0 {
		return nil, 0, unavailable(err)
	}
	last = int64(some[len(some)-1].Score)
	ids, err = s.client.ZRangeArgs(ctx, redis.ZRangeArgs{Key: key, ByScore: true, Start: from, Stop: last}).Result()
	return ids, last, unavailable(err)
}

// forgetDeliveries deletes the deliveries that name the person in a header, as few senders do, and as strangers may. All of a sender's are looked at together: there are two hundred at most.
func (s *Store) forgetDeliveries(ctx context.Context, r *queue.ForgetRequest, at uint64, found *queue.Forgotten) (next uint64, through bool, err error) {
	k := s.senderKeys()
	names, next, err := s.scanKeys(ctx, k.base, ":[lr][ae]*", at)
	if err != nil {
		return 0, false, unavailable(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, k.latest("")) && !strings.HasPrefix(name, k.refused("")) {
			continue
		}
		texts, err := s.client.LRange(ctx, name, 0, -1).Result()
		if refused(err) {
			continue // another program's
		}
		if err != nil {
			return 0, false, unavailable(err)
		}
		found.Seen += len(texts)
		for _, text := range texts {
			if !namesPerson([]byte(text), r.Person) {
				continue
			}
			found.Aside++
			if r.DryRun {
				continue
			}
			if err := s.client.LRem(ctx, name, 1, text).Err(); err != nil {
				return 0, false, unavailable(err)
			}
		}
	}
	return next, next == 0, nil
}

const (
	// maxAddress is how long a text may be that is read as an address.
	maxAddress = 320 // of an e-mail address: RFC 5321, section 4.5.3.1
	// minDigits is how many digits a phone number has at least.
	minDigits = 6
	// minNational is how many digits a number without its country's code has at least, where it is told by them alone; maxCode is how many the code has at most.
	minNational, maxCode = 7, 3
	// maxRegions bounds the countries that a number is read by.
	maxRegions = 8
)

// namesPerson reports whether a body that no sender could read has a person's address in any of its texts, alone or among other words. Numbers are read by each
// country that the body names, too, and without their country's code.
func namesPerson(body []byte, p queue.Person) bool {
	texts := textsOf(body)
	regions := []string{""}
	for _, text := range texts {
		if len(text) == 2 && text == strings.ToUpper(text) && len(regions) < maxRegions && !slices.Contains(regions, text) && strings.IndexFunc(text, notLetter) < 0 {
			regions = append(regions, text)
		}
	}
	address, looked := p.Address().Reveal(), map[string]bool{}
	own := digitsOf(address)
	for _, text := range texts {
		for _, one := range addressesIn(text) {
			if looked[one] || !resembles(address, one) {
				continue
			}
			looked[one] = true
			if !strings.Contains(one, "@") && isNational(own, digitsOf(one)) {
				return true
			}
			for _, region := range regions {
				if region != "" && strings.Contains(one, "@") {
					break // only numbers are read by a country
				}
				if p.Owns(message.Address(one), &event.Event{Customer: event.Customer{Phone: one, Region: region}}) {
					return true
				}
			}
		}
	}
	return false
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// number is what may be a phone number among other words.
var number = regexp.MustCompile(`[+(]*\p{Nd}[\p{Nd}\p{Z}\p{Pd}()./\t]{4,40}\p{Nd}`)

// addressesIn returns the parts of a text that may be an address: the whole, its words with an @, and its numbers.
func addressesIn(text string) (parts []string) {
	digits := 0
	for _, r := range text {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	at := strings.Contains(text, "@")
	if !at && digits < minDigits {
		return nil
	}
	if len(text) <= maxAddress {
		parts = append(parts, text)
	}
	if at {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(marks+"()", r) }) {
			if word = strings.Trim(word, "."); strings.Contains(word, "@") && len(word) <= maxAddress {
				parts = append(parts, word)
			}
		}
	}
	return append(parts, number.FindAllString(text, -1)...)
}

// digitsOf returns the digits of a text that are 0 to 9; Owns reads those of other scripts.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// lastDigits are those of a number that every spelling of it has.
const lastDigits = 4

// resembles reports whether a text may be a spelling of an address. It is quick: to read a text as a number takes a thousand times as long, and a body may have any
// number of texts with digits.
func resembles(address, text string) bool {
	if strings.Contains(address, "@") {
		return strings.Contains(text, "@")
	}
	otherDigits := strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsDigit(r) }) >= 0
	return otherDigits || strings.Contains(digitsOf(text), address[max(0, len(address)-lastDigits):])
}

// isNational reports whether digits are those of an international number without its country's code, perhaps with zeros before them.
func isNational(international, digits string) bool {
	digits = strings.TrimLeft(digits, "0")
	code, national := strings.CutSuffix(international, digits)
	return national && len(digits) >= minNational && len(code) <= maxCode
}

// marks stand between the texts of a body that is no JSON.
const marks = "\"'<>{}[]&=,;:\r\n\t"

// textsOf returns the texts and numbers of a body: the values of its JSON as far as that goes, and whatever stands between its marks.
func textsOf(body []byte) (texts []string) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			if len(texts) > 0 && decoder.InputOffset() >= int64(len(bytes.TrimSpace(body))) {
				return texts
			}
			break
		}
		switch token := token.(type) {
		case string:
			texts = append(texts, token)
		case json.Number:
			texts = append(texts, token.String())
		}
	}
	plain, err := neturl.QueryUnescape(string(body)) // a form
	if err != nil {
		plain = ""
	}
	for _, text := range []string{string(body), plain} {
		texts = append(texts, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(marks, r) })...)
	}
	return texts
}
