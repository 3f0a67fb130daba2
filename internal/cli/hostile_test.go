package cli_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// fill sets every text of a value, in lists of two, maps of one and behind pointers.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), text)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(text)
	}
}

// TestHostileAnswers: whatever texts an answer of the API has, no command prints what a terminal acts upon, or a cell that a spreadsheet runs.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	var text string
	one := func(value any) any {
		fill(reflect.ValueOf(value).Elem(), text)
		return value
	}
	run := commands(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch path := strings.TrimPrefix(r.URL.Path, "/admin/api"); {
		case path == "/queues":
			c := admin.Channel{ChannelState: &queue.ChannelState{}}
			one(&c)
			c.Halted = queue.Halt{Kind: queue.HaltedPause, Why: text}
			answer = map[message.Channel]any{message.SMS: c}
		case strings.HasPrefix(path, "/queues/"):
			answer = one(&admin.JobList{Total: 300})
		case path == "/job" && r.URL.Query().Get("id") == "text":
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(map[string]string{"detail": "no table: " + text})
			return
		case path == "/job":
			d := &admin.Detail{}
			one(d)
			d.Message.Subject, d.Message.Text = "no table: "+text, "no table: "+text
			answer = d
		case path == "/search":
			answer = one(&admin.SearchResult{})
		case path == "/actions":
			x := &admin.ActionResult{Jobs: 1}
			one(x)
			answer = x
		case path == "/spending":
			answer = one(&admin.Spending{More: true})
		case path == "/suppressed/check":
			answer = one(&admin.SuppressionCheck{})
		case path == "/suppressed/import":
			answer = one(&admin.ImportResult{})
		case strings.HasPrefix(path, "/suppressed/"):
			answer = one(&admin.Suppressions{Total: 300})
		default:
			w.WriteHeader(http.StatusUnprocessableEntity)
			answer = map[string]string{"detail": "no table: " + text}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	for _, first := range []string{"=", "+", "-", "@", "a", "\u202e=", "\u200b@", "\x1b="} {
		text = first + "a=\x1b[2J\x07\u009b\u0085\u202e\u2066\rb\b"
		for _, args := range []string{"list", "list sms failed", "show a:sms:1", "show text", "retry a:sms:1 --yes", "pause sms", "drain sms --timeout 1ns", "spending",
			"suppress check sms +12025550143", "suppress list sms", "suppress import -", "forget +12025550143"} {
			out, _ := run(strings.Fields(args)...)
			if strings.ContainsAny(out, "\x1b\x07\u009b\u0085\u202e\u2066\r\b") {
				t.Errorf("%s prints %q", args, out)
			}
			for _, line := range strings.Split(out, "\n") {
				for _, cell := range strings.Split(line, "  ") {
					if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "@") {
						t.Errorf("%s prints a formula: %q", args, line)
					}
				}
			}
		}
	}
}

// TestDrainOfAChannelWithoutRedis: a channel of which nothing is known is not empty.
func TestDrainOfAChannelWithoutRedis(t *testing.T) {
	t.Parallel()
	asked := 0
	run := commands(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_ = json.NewEncoder(w).Encode(map[message.Channel]admin.Channel{message.SMS: {ChannelState: &queue.ChannelState{Depth: queue.Depth{Halted: queue.Halt{Kind: queue.HaltedUnknown, Why: "Redis does not answer"}}}}})
	}))
	if out, code := run("drain", "sms", "--timeout", "1ns"); code != 1 || strings.Contains(out, "empty") || !strings.Contains(out, "it is not known how many jobs are left") || asked != 1 {
		t.Errorf("exit code %d: %s", code, out)
	}
}
