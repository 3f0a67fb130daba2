// Package tags writes a job's id as the tags that Amazon SES returns with every event of an e-mail, and reads it from them. A tag's value
// takes letters, digits and _.@- only, and an id may have any byte.
package tags

import (
	"encoding/hex"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/report"
)

// maxValue is the longest value of a tag (docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html).
const maxValue = 256

// Tag is one of them.
type Tag struct{ Name, Value string }

// Encode returns the tags of an id: one, or more for an id that is long once it is written. What a tag can have stands as it is, so that a
// person recognises the id; any other byte is a point and two hexadecimal digits.
func Encode(id string) []Tag {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('.')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	var out []Tag
	for text := b.String(); text != ""; {
		n := min(len(text), maxValue)
		out = append(out, Tag{name(len(out)), text[:n]})
		text = text[n:]
	}
	return out
}

// Decode returns the id that an e-mail's tags have; "" when they have none.
func Decode(tags map[string][]string) string {
	var text strings.Builder
	for i := 0; ; i++ {
		values := tags[name(i)]
		if len(values) == 0 {
			break
		}
		text.WriteString(values[0])
	}
	var id strings.Builder
	for rest := text.String(); rest != ""; {
		before, after, escaped := strings.Cut(rest, ".")
		id.WriteString(before)
		if !escaped {
			break
		}
		if len(after) < 2 {
			return ""
		}
		c, err := hex.DecodeString(after[:2])
		if err != nil {
			return ""
		}
		id.Write(c)
		rest = after[2:]
	}
	return id.String()
}

// name is that of the tag with a part of the id: ringup_job, ringup_job_2, and so on.
func name(part int) string {
	if part == 0 {
		return report.JobField
	}
	return report.JobField + "_" + strconv.Itoa(part+1)
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '@' || c == '-'
}
