package aws_test

import (
	"regexp"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/provider/aws"
)

// allowed is what SES takes (docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html).
var (
	allowedName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	allowedValue = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,256}$`)
)

func roundTrip(t *testing.T, id string) {
	t.Helper()
	returned := map[string][]string{"ses:configuration-set": {"ringup"}}
	for _, tag := range aws.EncodeTags(id) {
		if !allowedName.MatchString(tag.Name) || !allowedValue.MatchString(tag.Value) {
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
		strings.Repeat("a", 256), strings.Repeat("a", 255) + ".", ""} {
		roundTrip(t, id)
	}
	if got := aws.EncodeTags("webhook_1:email:1"); len(got) != 1 || got[0].Name != "ringup_job" || got[0].Value != "webhook_1.3aemail.3a1" {
		t.Errorf("%+v", got)
	}
}

// TestForeignTags: what others tagged an e-mail with is no id.
func TestForeignTags(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{nil, {}, {""}, {"a."}, {"a.3"}, {"a.zz"}} {
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
