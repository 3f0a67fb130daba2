// Package cli has the commands that people type.
package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes, besides 0.
const (
	ExitFailed  = 1 // it could not be done
	ExitUsage   = 2 // the arguments make no sense
	ExitNothing = 3 // there was nothing to do it to
)

// ExitError ends the program with a code.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// Code is the exit code that an error asks for: ExitFailed, where it asks for none.
func Code(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return ExitFailed
}

func usage(format string, args ...any) error {
	return &ExitError{ExitUsage, fmt.Errorf(format, args...)}
}

func nothing(format string, args ...any) error {
	return &ExitError{ExitNothing, fmt.Errorf(format, args...)}
}

// confirm asks a question on the terminal, and returns an error unless the answer is yes. Where standard input is no terminal, --yes is needed.
func confirm(cmd *cobra.Command, question string) error {
	if file, isFile := cmd.InOrStdin().(*os.File); isFile {
		if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
			return usage("%s There is no terminal to answer on: add --yes", question)
		}
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	var line string
	_, _ = fmt.Fscanln(cmd.InOrStdin(), &line) // an empty line is no
	if !strings.EqualFold(line, "y") && !strings.EqualFold(line, "yes") {
		return &ExitError{ExitFailed, errors.New("nothing was done")}
	}
	return nil
}

// typedAddress is an argument with an address; of -, the first line of standard input.
func typedAddress(cmd *cobra.Command, argument string) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSpace(line), nil
}
