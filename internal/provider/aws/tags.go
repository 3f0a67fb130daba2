package aws

import (
	"net/url"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/report"
)

// maxTag is the longest value of a tag. The page says 256, the model that the SDKs are made from "less than 256"
// (docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html, MessageTag in aws/api-models-aws).
const maxTag = 255

// Tag is a name and a value that SES returns with every event of an e-mail. Both take letters, digits, _ and - only.
type Tag struct{ Name, Value string }

// EncodeTags writes a job's id as tags: one, or more for a long id; none for "".
func EncodeTags(id string) []Tag {
	var out []Tag
	for text := report.EncodeJob(id); text != ""; {
		n := min(len(text), maxTag)
		out = append(out, Tag{tagName(len(out)), text[:n]})
		text = text[n:]
	}
	return out
}

// DecodeTags returns the id that an e-mail's tags have; "" when they have none, or one that neither EncodeTags nor 0.1.0 wrote.
func DecodeTags(tags map[string][]string) string {
	var text strings.Builder
	for i := 0; ; i++ {
		values := tags[tagName(i)]
		if len(values) == 0 {
			break
		}
		text.WriteString(values[0])
	}
	if strings.Contains(text.String(), ".") {
		return decodeVersion1(text.String())
	}
	return report.DecodeJob(text.String())
}

// decodeVersion1 reads what 0.1.0 wrote: a byte that is not a letter, a digit, _, @ or - was a point and two hexadecimal digits. Every id has one. It
// can go with the release after the next: SES reports for days, not for months.
func decodeVersion1(text string) string {
	id, err := url.PathUnescape(strings.ReplaceAll(text, ".", "%"))
	if err != nil {
		return ""
	}
	return id
}

// tagName is the name of the tag with a part of the id: ringup_job, ringup_job_2, and so on.
func tagName(part int) string {
	if part == 0 {
		return report.JobField
	}
	return report.JobField + "_" + strconv.Itoa(part+1)
}
