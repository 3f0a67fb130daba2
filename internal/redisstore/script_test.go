package redisstore

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"ringup.dev/ringup/internal/redistest"
)

// globals are the names that scripts use of Redis and of Lua.
var globals = []string{"redis", "KEYS", "ARGV", "string", "math", "tonumber", "type", "pairs", "ipairs", "unpack", "next", "table", "pcall", "cjson"}

// TestScriptsAndStructsAgree: every argument has a name that the script uses, the script uses no name that it does not have, and what it
// answers is read.
func TestScriptsAndStructsAgree(t *testing.T) {
	t.Parallel()
	all := compile()
	files, err := sources.ReadDir("lua")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(all.all())+len([]string{"prelude.lua", "breaker.lua", "entries.lua", "sale.lua"}) || reflect.TypeOf(all).NumField() != len(all.all()) {
		t.Errorf("%d files, %d scripts of %d are looked at", len(files), len(all.all()), reflect.TypeOf(all).NumField())
	}
	for _, s := range all.all() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			body := words(read(s.name))
			for _, name := range s.args.names {
				if !slices.Contains(body, name) {
					t.Errorf("%s is an argument that nothing uses", name)
				}
				if slices.Contains(globals, name) || declared(t, "prelude", name) || declared(t, "breaker", name) || declared(t, "entries", name) || declared(t, "sale", name) {
					t.Errorf("%s hides another name", name)
				}
			}
			for _, name := range unknown(t, s.source) {
				t.Errorf("%s is no argument, and nothing else", name)
			}
			answered := map[string]bool{}
			fieldsOf(s.answer, answered)
			for name := range answered {
				if name == "" || !slices.Contains(body, name) && !slices.Contains(words(read("breaker")), name) {
					t.Errorf("%q is read of the answer, and never answered", name)
				}
			}
			for _, name := range answeredBy(read(s.name)) {
				if !answered[name] {
					t.Errorf("%q is answered, and nothing reads it", name)
				}
			}
		})
	}
}

// answeredBy are the names that a script gives to what it answers: in answer{…}, and in the tables that claim.lua fills before it answers them.
func answeredBy(source string) (names []string) {
	source = regexp.MustCompile(`--[^\n]*`).ReplaceAllString(source, "")
	for _, table := range regexp.MustCompile(`\b(?:answer|finish|claimed = )\{([^}]*)\}`).FindAllStringSubmatch(source, -1) {
		for _, name := range regexp.MustCompile(`(\w+) =`).FindAllStringSubmatch(table[1], -1) {
			names = append(names, name[1])
		}
	}
	for _, name := range regexp.MustCompile(`\b(?:a|claimed)\.(\w+)`).FindAllStringSubmatch(source, -1) {
		names = append(names, name[1])
	}
	return names
}

// TestAnsweredBy: every name that claim.lua can answer is found, in whichever way it is written.
func TestAnsweredBy(t *testing.T) {
	t.Parallel()
	got := answeredBy(read("claim"))
	slices.Sort(got)
	want := []string{"bodies", "evicted", "full", "halted", "jobs", "listed", "probe", "promoted", "provider", "reaped", "set_aside", "throttled", "wait"}
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// declared says whether a shared file declares a name for those behind it.
func declared(t *testing.T, file, name string) bool {
	t.Helper()
	return regexp.MustCompile(`(?m)^local (function )?([\w, ]*\b)?` + name + `\b`).MatchString(read(file))
}

// unknown are the globals of a script that do not exist: Redis would raise an error, where it came to them.
func unknown(t *testing.T, source string) (out []string) {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(source), "script")
	if err != nil {
		t.Fatal(err)
	}
	main, err := lua.Compile(chunk, "script")
	if err != nil {
		t.Fatal(err)
	}
	protos := []*lua.FunctionProto{main}
	for len(protos) > 0 {
		proto := protos[0]
		protos = append(protos[1:], proto.FunctionPrototypes...)
		for _, instruction := range proto.Code {
			if op := int(instruction >> 26); op == lua.OP_GETGLOBAL || op == lua.OP_SETGLOBAL {
				if name := proto.Constants[instruction&0x3ffff].String(); !slices.Contains(globals, name) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// fieldsOf are the names in an answer, and in the answers in it.
func fieldsOf(t reflect.Type, names map[string]bool) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for name, i := range namesOf(t) {
		names[name] = true
		fieldsOf(t.Field(i).Type, names)
	}
}

// everything has an argument of each kind.
type everything struct {
	First string    `key:"first"`
	Two   [2]string `key:"two"`
	embedded
	Text     string        `lua:"text"`
	Bytes    []byte        `lua:"bytes"`
	Float    float64       `lua:"float"`
	Yes      bool          `lua:"yes"`
	No       bool          `lua:"no"`
	Duration time.Duration `lua:"duration"`
	Names    []string      `lua:"name"`
	Pairs    []pair        `lua:"pair"`
	None     []pair        `lua:"none"`
	Rest     []any         `lua:"rest,rest"`
}

type embedded struct {
	Number int `lua:"number"`
}

type pair struct {
	Left  string `lua:"left"`
	Right int    `lua:"right"`
}

// echo is what comes back of everything.
type echo struct {
	Keys     []string          `lua:"keys"`
	Text     string            `lua:"text"`
	Empty    string            `lua:"empty"`
	Number   int               `lua:"number"`
	Zero     int               `lua:"zero"`
	Yes      bool              `lua:"yes"`
	No       bool              `lua:"no"`
	Duration time.Duration     `lua:"duration"`
	Names    []string          `lua:"names"`
	Pairs    []pair            `lua:"pairs"`
	Map      map[string]string `lua:"map"`
	Any      []any             `lua:"any"`
	Numbers  []int             `lua:"numbers"`
}

const echoSource = `
local texts, names, numbers, pairs_ = bytes, {}, {}, {}
for i = 1, name_n do names[i] = ARGV[name_at + i] end
for i = 1, pair_n do
  pairs_[i] = answer{left = ARGV[pair_left_at + i], right = tonumber(ARGV[pair_right_at + i])}
  numbers[i] = tonumber(ARGV[pair_right_at + i])
end
for i = 1, none_n do names[#names + 1] = ARGV[none_left_at + i] .. ARGV[none_right_at + i] end
return answer{keys = {first_key, KEYS[two_at + 1], KEYS[two_at + 2]}, text = text .. texts, empty = '', number = number + float * 2,
  zero = 0, yes = yes and not no, no = no or not yes, duration = duration, names = names, pairs = pairs_, map = {'a', 'b'},
  any = {ARGV[rest_at + 1], 7}, numbers = numbers, nothing = nil}
`

func echoScript(source string) script {
	s := script{name: "echo", args: layoutOf(reflect.TypeFor[everything]()), answer: reflect.TypeFor[echo]()}
	s.source = shared(source) + s.args.header + source
	return s.named()
}

// TestScriptsTakeAndAnswerByName sends a value of each kind to every Redis, and reads it back.
func TestScriptsTakeAndAnswerByName(t *testing.T) {
	t.Parallel()
	in := everything{
		First: "{x}1", Two: [2]string{"{x}2", "{x}3"}, embedded: embedded{Number: 41}, Text: "text\x00", Bytes: []byte("\xff"), Float: 0.5, Yes: true,
		Duration: 90 * time.Second, Names: []string{"a", "b", ""}, Pairs: []pair{{"l", 1}, {"", -2}, {"r", 0}}, Rest: []any{"rest", 3},
	}
	want := echo{
		Keys: []string{"{x}1", "{x}2", "{x}3"}, Text: "text\x00\xff", Number: 42, Yes: true, Duration: 90 * time.Second, Names: in.Names, Pairs: in.Pairs,
		Map: map[string]string{"a": "b"}, Any: []any{"rest", int64(7)}, Numbers: []int{1, -2, 0},
	}
	for name, config := range map[string]Config{"Redis": url(redistest.Start(t).Addr()), "embedded": url(miniredis.RunT(t).Addr())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, config, nil)
			s := echoScript(echoSource)
			for range 2 { // sent whole, and by its name
				var got echo
				if err := store.ask(t.Context(), &s, &in, &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
			for source, want := range map[string]string{
				"return answer{misspelt = 1}": "misspelt", "return answer{number = 'x'}": "number", "return answer{text = {'x'}}": "text",
				"return 'no pairs'": "string", "return textt": "textt", "return answer{pairs = {answer{left = 1}}}": "pairs",
			} {
				s := echoScript(source)
				if err := store.ask(t.Context(), &s, &in, &echo{}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", source, err)
				}
			}
		})
	}
}

// TestHeader is the header that the comment in script.go describes.
func TestHeader(t *testing.T) {
	t.Parallel()
	want := `local KEYS, ARGV = KEYS, ARGV
local first_key = KEYS[1]
local two_at = 1
local number = tonumber(ARGV[1])
local text = ARGV[2]
local bytes = ARGV[3]
local float = tonumber(ARGV[4])
local yes = ARGV[5] == '1'
local no = ARGV[6] == '1'
local duration = tonumber(ARGV[7])
local name_n = tonumber(ARGV[8])
local pair_n = tonumber(ARGV[9])
local none_n = tonumber(ARGV[10])
local name_at = 10
local pair_left_at = name_at + name_n
local pair_right_at = pair_left_at + pair_n
local none_left_at = pair_right_at + pair_n
local none_right_at = none_left_at + none_n
local rest_at = none_right_at + none_n
`
	if diff := cmp.Diff(want, layoutOf(reflect.TypeFor[everything]()).header); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []any{struct{ Nameless int }{}, struct {
		A map[string]int `lua:"a"`
	}{}, struct {
		A []struct {
			B [2]int `lua:"b"`
		} `lua:"a"`
	}{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T has a layout", bad)
				}
			}()
			layoutOf(reflect.TypeOf(bad))
		}()
	}
}
