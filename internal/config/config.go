// Package config reads the environment into structs, and says all that is wrong with it at once, each with what to set.
package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config/secret"
)

// Read fills structs whose fields have env tags (github.com/sethvargo/go-envconfig). A secret is read from its variable NAME, or from the file
// whose path NAME_FILE has. The error has every variable that cannot be read, and nothing of a secret.
func Read(ctx context.Context, env envconfig.Lookuper, targets ...any) error {
	var errs []error
	for _, target := range targets {
		l := &lookup{env: env, unreadable: map[string]bool{}, secrets: map[string]bool{}}
		addSecrets(l.secrets, reflect.TypeOf(target).Elem())
		// envconfig stops at the first: leave that out, and go on.
		for {
			err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: target, Lookuper: l})
			if err == nil {
				break
			}
			if l.name == "" || l.unreadable[l.name] {
				errs = append(errs, err) // a mistake in the struct itself
				break
			}
			l.unreadable[l.name] = true
			errs = append(errs, l.problem(err, reflect.TypeOf(target).Elem()))
		}
		errs = append(errs, l.errs...)
	}
	return errors.Join(errs...)
}

// NonEmpty returns the entries of a list variable without the spaces around them, and without those that are empty.
func NonEmpty(values []string) []string {
	var out []string
	for _, value := range values {
		if value = strings.TrimSpace(value); value != "" {
			out = append(out, value)
		}
	}
	return out
}

// lookup remembers which variable was asked for last: the one that could not be read.
type lookup struct {
	env         envconfig.Lookuper
	name, value string
	unreadable  map[string]bool
	secrets     map[string]bool
	errs        []error // of secrets' files
}

// problem is the error of the variable that was asked for last.
func (l *lookup) problem(err error, typ reflect.Type) error {
	var key *secret.KeyError
	switch {
	case errors.As(err, &key):
		return fmt.Errorf("%s %w", l.name, key)
	case l.secrets[l.name]:
		return fmt.Errorf("%s cannot be read: set another value", l.name)
	}
	return fmt.Errorf("%s is %q: set %s", l.name, l.value, expected(typ, l.name))
}

// Lookup returns a variable's value. An empty one is as good as none.
func (l *lookup) Lookup(name string) (string, bool) {
	if l.unreadable[name] {
		return "", false
	}
	value, found := l.env.Lookup(name)
	if l.secrets[name] {
		var err error
		if value, err = readSecret(l.env, name); err != nil {
			l.unreadable[name], l.errs = true, append(l.errs, err)
			return "", false
		}
		found = true
	}
	if value == "" {
		return "", false
	}
	l.name, l.value = name, value
	return value, found
}

// expected says what a variable's field takes.
func expected(typ reflect.Type, name string) string {
	for i := range typ.NumField() {
		field := typ.Field(i)
		tag, found := field.Tag.Lookup("env")
		if !found && field.Type.Kind() == reflect.Struct {
			if text := expected(field.Type, name); text != "" {
				return text
			}
		}
		if variable, _, _ := strings.Cut(tag, ","); variable != name {
			continue
		}
		return words(field.Type)
	}
	return ""
}

func words(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return "a time, as 500ms, 30s or 24h"
	case typ.Kind() == reflect.Slice:
		return "a list with commas between, each " + words(typ.Elem())
	case typ.Kind() == reflect.Map:
		return "a list of name:value with commas between, each value " + words(typ.Elem())
	}
	switch typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "another value"
}
