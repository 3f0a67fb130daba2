package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
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

// followEvery is how often secrets are read again: Kubernetes takes about a minute to bring a changed Secret into a pod.
const followEvery = 10 * time.Second

// Follow reads a struct again every ten seconds until ctx ends, and hands it to use when the files of its secrets have changed. What use refuses,
// or cannot be read, is logged once; the program goes on with what it has. current is the struct as it is in use.
func Follow[T any](ctx context.Context, env envconfig.Lookuper, log *slog.Logger, current T, use func(T) error) {
	follow(ctx, env, log, current, use, time.Tick(followEvery))
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
		if err == nil {
			if reflect.DeepEqual(read, current) {
				said = ""
				continue
			}
			err = use(read)
		}
		if err != nil {
			if text := err.Error(); text != said {
				said = text
				log.Error("secrets not replaced", "error", err)
			}
			continue
		}
		current, said = read, ""
		log.Info("secrets replaced")
	}
}
