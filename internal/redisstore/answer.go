package redisstore

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// decode reads the answer of a script (answer in prelude.lua: name, value, name, value …) into the fields that are tagged with the names.
// Zero values are left out by the script and stay zero here. Numbers fit int, bool and time.Duration (ms); lists fit slices, of structs
// where each element is an answer of its own, and maps, where names and values alternate. Errors: queue.ErrUnavailable, for an answer
// with another name or type.
func decode(reply any, into any) error {
	v := reflect.ValueOf(into).Elem()
	pairs, ok := reply.([]any)
	if !ok || len(pairs)%2 != 0 {
		return fmt.Errorf("%w: a script answered a %T", queue.ErrUnavailable, reply)
	}
	fields := namesOf(v.Type())
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		field, known := fields[name]
		if !known {
			return fmt.Errorf("%w: a script answered with %q, which nothing reads", queue.ErrUnavailable, pairs[i])
		}
		if !set(v.Field(field), pairs[i+1]) {
			return fmt.Errorf("%w: a script answered a %T as %s", queue.ErrUnavailable, pairs[i+1], name)
		}
	}
	return nil
}

// answers has the results of namesOf, by type.
var answers sync.Map

// namesOf returns the fields of a struct by their names in Lua.
func namesOf(t reflect.Type) map[string]int {
	if known, ok := answers.Load(t); ok {
		return known.(map[string]int)
	}
	fields := map[string]int{}
	for i := range t.NumField() {
		fields[t.Field(i).Tag.Get("lua")] = i
	}
	answers.Store(t, fields)
	return fields
}

// set sets a field to a value of an answer, and says whether that fits.
func set(v reflect.Value, value any) bool {
	switch value := value.(type) {
	case int64:
		switch {
		case v.Type() == duration:
			v.SetInt(value * int64(time.Millisecond))
		case v.CanInt():
			v.SetInt(value)
		case v.Kind() == reflect.Bool:
			v.SetBool(value == 1)
		default:
			return false
		}
	case string:
		if v.Kind() != reflect.String {
			return false
		}
		v.SetString(value)
	case []any:
		return setList(v, value)
	default:
		return false
	}
	return true
}

func setList(v reflect.Value, values []any) bool {
	switch v.Kind() {
	case reflect.Map:
		v.Set(reflect.MakeMapWithSize(v.Type(), len(values)/2))
		for i := 0; i+1 < len(values); i += 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			if !set(key, values[i]) || !set(value, values[i+1]) {
				return false
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
		for i, value := range values {
			one := v.Index(i)
			switch one.Kind() {
			case reflect.Struct:
				if decode(value, one.Addr().Interface()) != nil {
					return false
				}
			case reflect.Interface:
				one.Set(reflect.ValueOf(value))
			default:
				if !set(one, value) {
					return false
				}
			}
		}
	default:
		return false
	}
	return true
}
