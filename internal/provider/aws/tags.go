package aws

import (
	"encoding/hex"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/report"
)

// maxTag is the longest value of a tag (docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html).
const maxTag = 256

// Tag is a name and a value that SES returns with every event of an e-mail. The value takes letters, digits and _.@- only.
type Tag struct{ Name, Value string }

// EncodeTags writes a job's id, which may have any byte, as tags: one, or more for a long id; none for "". A byte that a tag can have stands as it
// is, so that a person recognises the id; any other is a point and two hexadecimal digits.
func EncodeTags(id string) []Tag {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; tagByte(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('.')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	var out []Tag
	for text := b.String(); text != ""; {
		n := min(len(text), maxTag)
		out = append(out, Tag{tagName(len(out)), text[:n]})
		text = text[n:]
	}
	return out
}

// DecodeTags returns the id that an e-mail's tags have; "" when they have none, or one that EncodeTags did not write.
func DecodeTags(tags map[string][]string) string {
	var text strings.Builder
	for i := 0; ; i++ {
		values := tags[tagName(i)]
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

// tagName is the name of the tag with a part of the id: ringup_job, ringup_job_2, and so on.
func tagName(part int) string {
	if part == 0 {
		return report.JobField
	}
	return report.JobField + "_" + strconv.Itoa(part+1)
}

func tagByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '@' || c == '-'
}
