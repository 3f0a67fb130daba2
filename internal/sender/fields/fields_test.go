package fields_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/fields"
)

type body struct {
	Text   fields.Text `json:"text"`
	Flag   fields.Flag `json:"flag"`
	Object fields.Object[struct {
		Text fields.Text `json:"text"`
	}] `json:"object"`
	List fields.List[struct {
		Text fields.Text `json:"text"`
	}] `json:"list"`
}

// TestAnythingMayStandAnywhere: each member is read as well as may be, and the others are read beside it.
func TestAnythingMayStandAnywhere(t *testing.T) {
	t.Parallel()
	values := []string{`null`, `true`, `false`, `0`, `-1.50`, `1e400`, `""`, `" a "`, `"\ud83d"`, `[]`, `[null,1,{}]`, `[[{}]]`, `{}`, `{"text":{}}`, `{"a":1,"a":2}`}
	rapid.Check(t, func(t *rapid.T) {
		one := func(name string) string { return rapid.SampledFrom(values).Draw(t, name) }
		names := rapid.Permutation([]string{"text", "flag", "object", "list", "unknown"}).Draw(t, "names")
		var members []string
		for _, name := range names {
			members = append(members, `"`+name+`":`+one(name))
		}
		text := "{" + strings.Join(members, ",") + `,"text":"last"}`
		var b body
		if err := fields.Decode([]byte(text), &b); err != nil || b.Text.String() != "last" {
			t.Fatalf("%s: %v, %q", text, err, b.Text)
		}
	})
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var b body
	text := "\ufeff \n" + `{"text": 12.50, "flag": true, "object": {"text": "inner"}, "list": [{"text": "1"}, null, "x", {"text": "2"}]}` + "\n"
	if err := fields.Decode([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	if b.Text.Number() != "12.50" || !bool(b.Flag) || !b.Object.Given || b.Object.Members.Text.String() != "inner" || len(b.List) != 2 || b.List[1].Text.String() != "2" {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"", " ", "null", "[]", `"text"`, "{", `{"text":}`, `{"text":"a"`, "webhook_id=42", `{"a":1} {}`, "\x1f\x8b"} {
		if err := fields.Decode([]byte(bad), &b); !errors.Is(err, fields.ErrNotJSON) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestListsAreBounded: no more elements are kept than an event has items.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	var b body
	if err := fields.Decode([]byte(`{"list":[{}`+strings.Repeat(",{}", 2*event.MaxItems)+`],"text":"after"}`), &b); err != nil || len(b.List) != event.MaxItems || b.Text.String() != "after" {
		t.Errorf("%v: %d elements, %q", err, len(b.List), b.Text)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	var b struct{ Empty, Space, First, Second, Time fields.Text }
	if err := fields.Decode([]byte(`{"Space":"  ","First":" Ann","Second":"Berg ","Time":"2026-11-20T09:15:02"}`), &b); err != nil {
		t.Fatal(err)
	}
	if got := fields.First(b.Empty, b.Space, b.First, b.Second); got != "Ann" {
		t.Errorf("first: %q", got)
	}
	if got := fields.Join(b.Empty, b.First, b.Space, b.Second); got != "Ann Berg" {
		t.Errorf("joined: %q", got)
	}
	if got := b.Time.Time(time.UTC); !got.Equal(time.Date(2026, 11, 20, 9, 15, 2, 0, time.UTC)) {
		t.Errorf("time: %s", got)
	}
	if got := fields.FirstTime(b.First.Time(time.UTC), b.Time.Time(time.UTC)); got.IsZero() {
		t.Error("no time")
	}
}

// TestMember: a member is found wherever it stands, and nothing behind it is read.
func TestMember(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"timestamp":"2026-11-20","order":{}}`: "2026-11-20", "\ufeff\n" + `{"order":{"timestamp":"inner"},"a":[1],"timestamp":" 12 "}`: "12", `{"\u0074imestamp":"a"}`: "a",
		`{"timestamp":"first","timestamp":"second"}`: "first", `{"timestamp":17}`: "17", `{"timestamp":null}`: "", `{"timestamp":{}}`: "", `{"timestamp":"a",!`: "a",
		`{"order":1}`: "", `{}`: "", ``: "", `[]`: "", `{"order":`: "", `{"order":!}`: "", `{"timestamp":`: "", `{"timestamp":!}`: "", `timestamp=a`: "", `"timestamp"`: "",
	} {
		if got := fields.Member([]byte(text), "timestamp"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestMembersOfAnEmbeddedStruct: they are those of the struct around it.
func TestMembersOfAnEmbeddedStruct(t *testing.T) {
	t.Parallel()
	var b struct {
		body
		Own fields.Text `json:"own"`
	}
	if err := fields.Decode([]byte(`{"text":"inner","own":"outer","flag":true}`), &b); err != nil || b.Text.String() != "inner" || b.Own.String() != "outer" || !bool(b.Flag) {
		t.Errorf("%v: %+v", err, b)
	}
}

// TestNamesOfMembers: an escaped name is the same name, and names are told apart by case.
func TestNamesOfMembers(t *testing.T) {
	t.Parallel()
	var b body
	if err := fields.Decode([]byte(`{"t\u0065xt":"escaped","TEXT":"capitals","Flag":true,"object":{"Text":"x"}}`), &b); err != nil || b.Text.String() != "escaped" || bool(b.Flag) || b.Object.Members.Text.String() != "" {
		t.Errorf("%v: %+v", err, b)
	}
}
