package report

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// EncodeJob writes a job's id, which may have any byte, with letters, digits, - and _ alone, so that every provider takes it along and returns it as
// it is: the tags of Amazon SES have nothing else, and in an address nothing is escaped that one program escapes and another does not. A letter, a
// digit and - stand as they are, so that a person recognises the id; any other byte is _ and two hexadecimal digits. It is up to three times as long.
func EncodeJob(id string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'_', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// DecodeJob reads what EncodeJob wrote; "" where it is something else.
func DecodeJob(text string) string {
	id, err := url.PathUnescape(strings.ReplaceAll(text, "_", "%"))
	if err != nil || EncodeJob(id) != text {
		return ""
	}
	return id
}

// JobOf reads the value that was sent along with a message: by EncodeJob or, as 0.1.0 did, as it is, which for every id includes a colon. It is ""
// where the value is not a job's id on one of the channels, as that of another program that sends through the same account.
func JobOf(value string, channels ...message.Channel) (id string, channel message.Channel) {
	if !strings.Contains(value, ":") {
		value = DecodeJob(value)
	}
	_, channel, _, err := job.ParseID(value)
	if err != nil || !slices.Contains(channels, channel) {
		return "", ""
	}
	return value, channel
}

// Digest makes an EventID of an event that the provider gave none, from all that it says: the same bytes are the same event.
func Digest(event []byte) string {
	sum := sha256.Sum256(event)
	return hex.EncodeToString(sum[:16])
}

// lastSecond is the end of the year 9999, after which a time cannot be written as JSON.
const lastSecond = 253402300799

// UnixTime reads a time in Unix seconds from JSON, as a number or in quotes. Anything else is the zero time and no error, so that a time
// that is invalid does not take the rest of an event along.
type UnixTime struct{ time.Time }

// UnmarshalJSON reads a time.
func (u *UnixTime) UnmarshalJSON(text []byte) error {
	u.Time = time.Time{}
	if n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64); err == nil && n > 0 && n <= lastSecond {
		u.Time = time.Unix(n, 0).UTC()
	}
	return nil
}
