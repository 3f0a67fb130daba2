package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config/secret"
)

// fileSuffix makes the variable that has the path of a secret's file of the secret's own, as Docker and Kubernetes users expect.
const fileSuffix = "_FILE"

// maxSecretFile bounds a secret's file, in bytes: a path to something else is a mistake.
const maxSecretFile = 1 << 16

// secretTypes are the types of fields whose variables may be given as files, and whose values no error shows.
var secretTypes = []reflect.Type{reflect.TypeFor[secret.String](), reflect.TypeFor[secret.List](), reflect.TypeFor[secret.Key](), reflect.TypeFor[secret.Keys]()}

// IsSecret reports whether a field of this type has a secret, whose variable may be given as a file.
func IsSecret(t reflect.Type) bool {
	for _, one := range secretTypes {
		if t == one {
			return true
		}
	}
	return false
}

// addSecrets collects the variables of a struct that are secrets.
func addSecrets(names map[string]bool, typ reflect.Type) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		if tag, found := field.Tag.Lookup("env"); found {
			name, _, _ := strings.Cut(tag, ",")
			names[name] = names[name] || IsSecret(field.Type)
		} else if field.Type.Kind() == reflect.Struct {
			addSecrets(names, field.Type)
		}
	}
}

// readSecret reads a secret's variable, or the file that its _FILE variable names. The error names the variable and shows no value.
func readSecret(env envconfig.Lookuper, name string) (string, error) {
	value, _ := env.Lookup(name)
	path, _ := env.Lookup(name + fileSuffix)
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%s and %s are both set: keep one", name, name+fileSuffix)
	}
	text, err := readFile(path)
	if err != nil {
		var place *os.PathError
		if errors.As(err, &place) {
			err = place.Err // the path may be the secret itself, set under the wrong name
		}
		return "", fmt.Errorf("%s cannot be read (%w): set the path of a file with the value of %s", name+fileSuffix, err, name)
	}
	return text, nil
}

// readFile returns a file's text without the line break at its end, which editors and echo add.
func readFile(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the operator names it
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecretFile:
		return "", fmt.Errorf("it has more than %d bytes", maxSecretFile)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", errors.New("it is empty")
	}
	return value, nil
}

// secretsOf collects the secrets of a struct, by their variables.
func secretsOf(found map[string]any, of reflect.Value) {
	for i := range of.NumField() {
		field := of.Type().Field(i)
		if tag, tagged := field.Tag.Lookup("env"); tagged {
			if name, _, _ := strings.Cut(tag, ","); IsSecret(field.Type) {
				found[name] = of.Field(i).Interface()
			}
		} else if field.Type.Kind() == reflect.Struct {
			secretsOf(found, of.Field(i))
		}
	}
}

// changed returns the variables of the secrets that differ, sorted.
func changed[T any](before, after T) []string {
	old, anew := map[string]any{}, map[string]any{}
	secretsOf(old, reflect.ValueOf(before))
	secretsOf(anew, reflect.ValueOf(after))
	maps.DeleteFunc(anew, func(name string, value any) bool { return reflect.DeepEqual(value, old[name]) })
	return slices.Sorted(maps.Keys(anew))
}

// inFiles says whether any secret of a struct is given as a file.
func inFiles[T any](env envconfig.Lookuper) bool {
	found := map[string]any{}
	secretsOf(found, reflect.ValueOf(*new(T)))
	for name := range found {
		if path, _ := env.Lookup(name + fileSuffix); path != "" {
			return true
		}
	}
	return false
}

// followEvery is how often secrets are read again: Kubernetes takes about a minute to bring a changed Secret into a pod.
const followEvery = 10 * time.Second

// Follow reads a struct again every ten seconds until ctx ends, and hands it to use when a secret in it has changed. What use refuses, or cannot be
// read, is logged once; the program goes on with what it has. current is the struct as it is in use. Where no secret of it is given as a file
// there is nothing to follow, and Follow returns at once.
func Follow[T any](ctx context.Context, env envconfig.Lookuper, log *slog.Logger, current T, use func(T) error) {
	if inFiles[T](env) {
		follow(ctx, env, log, current, use, time.Tick(followEvery))
	}
}

func follow[T any](ctx context.Context, env envconfig.Lookuper, log *slog.Logger, current T, use func(T) error, tick <-chan time.Time) {
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		var read T
		err := Read(ctx, env, &read)
		names := changed(current, read)
		if err == nil && len(names) > 0 {
			err = use(read)
		}
		switch {
		case err != nil:
			if text := err.Error(); text != said {
				said = text
				log.Error("secrets not replaced", "error", err)
			}
		case len(names) > 0:
			current, said = read, ""
			log.Info("secrets replaced", "settings", names)
		default:
			said = ""
		}
	}
}
