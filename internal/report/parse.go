package report

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// JobOf reads the value that was sent along with a message. It is "" where the value is not a job's id on one of the channels, as that of
// another program that sends through the same account.
func JobOf(value string, channels ...message.Channel) (id string, channel message.Channel) {
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
