package aws_test

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/provider/aws"
)

// isAllowed says that SES takes a text as a name or a value, by the stricter of its two documents (MessageTag in aws/api-models-aws). A count in a
// regular expression would take a millisecond for each.
func isAllowed(s string) bool {
	return s != "" && len(s) < 256 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func roundTrip(t *testing.T, id string) {
	t.Helper()
	returned := map[string][]string{"ses:configuration-set": {"ringup"}}
	for _, tag := range aws.EncodeTags(id) {
		if !isAllowed(tag.Name) || !isAllowed(tag.Value) {
			t.Errorf("%q: SES does not take %+v", id, tag)
		}
		returned[tag.Name] = []string{tag.Value}
	}
	if got := aws.DecodeTags(returned); got != id {
		t.Errorf("%q came back as %q", id, got)
	}
}

func TestTagsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"webhook_1:email:1", "a.b:email:12", "…:email:1", "\xff\x00 /?&=%+:email:3", strings.Repeat(":", 200) + ":email:1000",
		strings.Repeat("a", 254), strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("a", 253) + ".", strings.Repeat("a", 510), ""} {
		roundTrip(t, id)
	}
	if got := aws.EncodeTags("webhook_1:email:1"); len(got) != 1 || got[0].Name != "ringup_job" || got[0].Value != "webhook_5f1_3aemail_3a1" {
		t.Errorf("%+v", got)
	}
}

// TestTagsOfVersion1: the tags that 0.1.0 wrote are read, as of e-mails that were on their way at the upgrade.
func TestTagsOfVersion1(t *testing.T) {
	t.Parallel()
	for want, tags := range map[string]map[string][]string{
		"webhook_1:email:1":                  {"ringup_job": {"webhook_1.3aemail.3a1"}},
		"a.b@c:email:12":                     {"ringup_job": {"a.2eb@c.3aemail.3a12"}},
		"\xff\x00 é:email:3":                 {"ringup_job": {".ff.00.20.c3.a9.3aemail.3a3"}},
		"_3a:email:1":                        {"ringup_job": {"_3a.3aemail.3a1"}},
		strings.Repeat(":", 86) + ":email:1": {"ringup_job": {strings.Repeat(".3a", 85) + "."}, "ringup_job_2": {"3a.3aemail.3a1"}},
	} {
		if got := aws.DecodeTags(tags); got != want {
			t.Errorf("%v: %q, want %q", tags, got, want)
		}
	}
}

// TestForeignTags: what others tagged an e-mail with is no id.
func TestForeignTags(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{nil, {}, {""}, {"a."}, {"a.3"}, {"a.zz"}, {"a_"}, {"a_3"}, {"a_zz"}, {"a_3A"}, {"a_61"}, {"a b"}} {
		if got := aws.DecodeTags(map[string][]string{"ringup_job": values}); got != "" {
			t.Errorf("%q: %q", values, got)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("webhook_1:email:1")
	f.Add(strings.Repeat("é", 150))
	f.Fuzz(func(t *testing.T, id string) {
		roundTrip(t, id)
		aws.DecodeTags(map[string][]string{"ringup_job": {id}, "ringup_job_2": {id}})
	})
}
