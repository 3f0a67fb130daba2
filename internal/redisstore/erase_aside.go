package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	neturl "net/url"
	"slices"
	"strings"
	"unicode"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// asideBatch is how many bodies one look has.
const asideBatch = 10

// forgetAside looks at some of the webhooks that are set aside, from a position on, and deletes those that name the person.
func (s *Store) forgetAside(ctx context.Context, r *queue.ForgetRequest, at int64, found *queue.Forgotten) (next uint64, through bool, err error) {
	k := s.senderKeys()
	ids, err := s.client.ZRange(ctx, k.index, at, at+asideBatch-1).Result()
	if err != nil || len(ids) == 0 {
		return 0, true, unavailable(err)
	}
	for _, id := range ids {
		body, err := s.AsideBody(ctx, id)
		if err != nil {
			return 0, false, err
		}
		found.Seen++
		if !namesPerson(body, r.Person) {
			at++
			continue
		}
		found.Aside++
		if r.DryRun {
			at++
		} else if _, err := s.DropAside(ctx, []string{id}); err != nil {
			return 0, false, err
		}
	}
	return uint64(at), len(ids) < asideBatch, nil
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
	// maxRegions bounds the countries that a number is read by.
	maxRegions = 8
)

// namesPerson reports whether a body that no sender could read has a person's address in any of its texts. Numbers are read by each country that the body names, too.
func namesPerson(body []byte, p queue.Person) bool {
	texts := textsOf(body)
	regions := []string{""}
	for _, text := range texts {
		if len(text) == 2 && text == strings.ToUpper(text) && len(regions) < maxRegions && !slices.Contains(regions, text) && strings.IndexFunc(text, notLetter) < 0 {
			regions = append(regions, text)
		}
	}
	for _, text := range texts {
		digits := 0
		for _, r := range text {
			if unicode.IsDigit(r) {
				digits++
			}
		}
		if len(text) > maxAddress || !strings.Contains(text, "@") && digits < minDigits {
			continue
		}
		for _, region := range regions {
			if p.Owns(message.Address(text), &event.Event{Customer: event.Customer{Phone: text, Region: region}}) {
				return true
			}
		}
	}
	return false
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

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
		texts = append(texts, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\"'<>{}[]&=,;:\r\n\t", r) })...)
	}
	return texts
}
