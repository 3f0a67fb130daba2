package redisstore

import (
	"crypto/sha1" //nolint:gosec // Redis names scripts by SHA-1
	"embed"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A script and its callers share names, not positions. A Go struct lists the arguments, and layoutOf makes two things of it: the header of
// Lua locals that stands before the script, and the order in which encode sends the values. The tags are
//
//	key:"retry"           a key               local retry_key = KEYS[5]
//	key:"queue"           [4]string           local queue_at = 0                        KEYS[queue_at + p]
//	lua:"lease"           a value             local lease = tonumber(ARGV[3])
//	lua:"job"             a slice of values   local job_n, job_at = …                   ARGV[job_at + i], i from 1 to job_n
//	lua:"done"            a slice of structs  local done_n, done_raw_at, … = …          ARGV[done_raw_at + i]
//	lua:"webhook,rest"    []any, the last     local webhook_at = …                      ARGV[webhook_at + i], without a count
//
// Text and bytes stay as they are, numbers become numbers, durations milliseconds, and booleans booleans. Fields of an embedded struct count
// as fields of the struct around it. The answer comes back by name, too: see decode.
//
// The locals are plain ones: no table is built where a batch of jobs is settled, and a misspelt name raises an error, since Redis knows no
// globals but its own.

//go:embed lua
var sources embed.FS

// script is a Lua program, the name that metrics have for it, the layout of its arguments and the struct that its answer fits.
type script struct {
	name, source, sha string
	args              *layout
	answer            reflect.Type
}

// newScript puts a script together: what it uses of the shared files, the header of its arguments A, and lua/<name>.lua, which answers R. It
// panics on an A that has no layout, which every test finds out.
func newScript[A, R any](name string) script {
	s := script{name: name, args: layoutOf(reflect.TypeFor[A]()), answer: reflect.TypeFor[R]()}
	body := read(name)
	s.source = shared(body) + s.args.header + body
	return s.named()
}

// shared returns those pieces of lua/prelude.lua, lua/breaker.lua, lua/sale.lua and lua/entries.lua that a script uses, in their order: Lua makes each function anew each
// time that a script runs. A piece is a declaration with the comment before it; an empty line ends it.
func shared(body string) string {
	used, names := "", map[string]bool{}
	use := func(lua string) {
		for _, word := range words(lua) {
			names[word] = true
		}
	}
	use(body)
	for _, piece := range slices.Backward(sharedPieces()) {
		// A piece uses only those before it.
		if len(piece.declares) == 0 || slices.ContainsFunc(piece.declares, func(name string) bool { return names[name] }) {
			used = piece.lua + "\n\n" + used
			use(piece.lua)
		}
	}
	return used
}

// piece is a piece of a shared file, with the names that it declares.
type piece struct {
	lua      string
	declares []string
}

var sharedPieces = sync.OnceValue(func() []piece {
	declares := regexp.MustCompile(`(?m)^local (?:function )?([\w, ]*\w)`)
	var pieces []piece
	for lua := range strings.SplitSeq(read("prelude")+"\n"+read("breaker")+"\n"+read("sale")+"\n"+read("entries"), "\n\n") {
		one := piece{lua: lua}
		if found := declares.FindStringSubmatch(lua); found != nil {
			one.declares = words(found[1])
		}
		pieces = append(pieces, one)
	}
	return pieces
})

// words are the names in a piece of Lua, without its comments.
func words(lua string) []string {
	var all []string
	for line := range strings.Lines(lua) {
		code, _, _ := strings.Cut(line, "--")
		all = append(all, strings.FieldsFunc(code, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})...)
	}
	return all
}

func read(file string) string {
	text, err := sources.ReadFile("lua/" + file + ".lua")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// named returns the script with the name that Redis has for its source.
func (s script) named() script {
	sum := sha1.Sum([]byte(s.source)) //nolint:gosec // as above
	s.sha = hex.EncodeToString(sum[:])
	return s
}

// kind is how a value is sent, and its type in Lua.
type kind int

const (
	kindText kind = iota
	kindBytes
	kindInt
	kindFloat
	kindBool
	kindMillis
	kindAny // as it is
)

var duration = reflect.TypeFor[time.Duration]()

func kindOf(t reflect.Type) (kind, bool) {
	switch {
	case t == duration:
		return kindMillis, true
	case t.Kind() == reflect.String:
		return kindText, true
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return kindBytes, true
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return kindInt, true
	case t.Kind() == reflect.Float64:
		return kindFloat, true
	case t.Kind() == reflect.Bool:
		return kindBool, true
	case t.Kind() == reflect.Interface:
		return kindAny, true
	}
	return 0, false
}

// lua is the expression for a value in ARGV.
func (k kind) lua(value string) string {
	switch k {
	case kindInt, kindFloat, kindMillis:
		return "tonumber(" + value + ")"
	case kindBool:
		return value + " == '1'"
	}
	return value
}

// value returns the value as it is sent.
func (k kind) value(v reflect.Value) any {
	switch k {
	case kindBytes:
		return v.Bytes()
	case kindInt:
		return v.Int()
	case kindFloat:
		return v.Float()
	case kindBool:
		if v.Bool() {
			return "1"
		}
		return "0"
	case kindMillis:
		return time.Duration(v.Int()).Milliseconds()
	case kindAny:
		return v.Interface()
	}
	return v.String()
}

// layout is the order of a script's arguments.
type layout struct {
	of      reflect.Type
	header  string   // Lua
	names   []string // of the header's locals
	keys    []field
	values  []field // one argument each; of a slice, its length
	columns []field // of slices: one argument for each element
}

// field is a field of the struct.
type field struct {
	path []int // as reflect has it
	kind kind
	// list says that the field is a slice or an array. column is the field of its elements, -1 when they are values themselves.
	list   bool
	column int
}

func (l *layout) local(name, is string) {
	l.names = append(l.names, name)
	l.header += "local " + name + " = " + is + "\n"
}

// layoutOf makes the layout of a struct.
func layoutOf(t reflect.Type) *layout {
	l := &layout{of: t, header: "local KEYS, ARGV = KEYS, ARGV\n"}
	keys := 0
	var lists []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		name, is := f.Tag.Lookup("key")
		switch {
		case f.Anonymous:
		case is && f.Type.Kind() == reflect.String:
			keys++
			l.local(name+"_key", fmt.Sprintf("KEYS[%d]", keys))
			l.keys = append(l.keys, field{path: f.Index})
		case is:
			l.local(name+"_at", fmt.Sprint(keys))
			l.keys = append(l.keys, field{path: f.Index, list: true})
			if f.Type.Kind() == reflect.Array {
				keys += f.Type.Len()
			}
		default:
			l.argument(f, &lists)
		}
	}
	at := fmt.Sprint(len(l.values))
	for _, f := range lists {
		at = l.list(f, at)
	}
	return l
}

// argument adds a value, or the length of a list.
func (l *layout) argument(f reflect.StructField, lists *[]reflect.StructField) {
	name, option, _ := strings.Cut(f.Tag.Get("lua"), ",")
	if name == "" {
		panic(fmt.Sprintf("%s.%s has no name in Lua", l.of, f.Name))
	}
	k, plain := kindOf(f.Type)
	switch {
	case plain:
	case f.Type.Kind() == reflect.Slice:
		*lists = append(*lists, f)
	default:
		panic(fmt.Sprintf("%s.%s is a %s", l.of, f.Name, f.Type))
	}
	if option == "rest" {
		return
	}
	l.values = append(l.values, field{path: f.Index, kind: k, list: !plain})
	if !plain {
		name, k = name+"_n", kindInt
	}
	l.local(name, k.lua(fmt.Sprintf("ARGV[%d]", len(l.values))))
}

// list adds the columns of a list. at is the offset of the first, and the result that of the next list.
func (l *layout) list(f reflect.StructField, at string) string {
	name, _, _ := strings.Cut(f.Tag.Get("lua"), ",")
	column := func(named string, i int, t reflect.Type) {
		k, plain := kindOf(t)
		if !plain {
			panic(fmt.Sprintf("%s.%s has a %s", l.of, f.Name, t))
		}
		l.local(named+"_at", at)
		l.columns = append(l.columns, field{path: f.Index, kind: k, list: true, column: i})
		at = named + "_at + " + name + "_n"
	}
	element := f.Type.Elem()
	if element.Kind() != reflect.Struct {
		column(name, -1, element)
		return at
	}
	for i := range element.NumField() {
		column(name+"_"+element.Field(i).Tag.Get("lua"), i, element.Field(i).Type)
	}
	return at
}

// encode returns the keys and the arguments for a call: args is a pointer to the struct of the layout.
func (l *layout) encode(args any) (keys []string, argv []any) {
	v := reflect.ValueOf(args).Elem()
	if v.Type() != l.of {
		panic(fmt.Sprintf("arguments are a %s, and not a %s", v.Type(), l.of))
	}
	keys = make([]string, 0, 12)
	for _, f := range l.keys {
		if one := v.FieldByIndex(f.path); !f.list {
			keys = append(keys, one.String())
		} else {
			for i := range one.Len() {
				keys = append(keys, one.Index(i).String())
			}
		}
	}
	size := len(l.values)
	for _, f := range l.columns {
		size += v.FieldByIndex(f.path).Len()
	}
	argv = make([]any, 0, size)
	for _, f := range l.values {
		if one := v.FieldByIndex(f.path); f.list {
			argv = append(argv, one.Len())
		} else {
			argv = append(argv, f.kind.value(one))
		}
	}
	for _, f := range l.columns {
		list := v.FieldByIndex(f.path)
		for i := range list.Len() {
			one := list.Index(i)
			if f.column >= 0 {
				one = one.Field(f.column)
			}
			argv = append(argv, f.kind.value(one))
		}
	}
	return keys, argv
}
