package admin

import (
	"errors"
	"fmt"
	"net/http"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/queue"
)

// refuse returns the refusal of a request that cannot be done as it is: the operator's mistake.
func refuse(format string, args ...any) error {
	return inbound.New(http.StatusUnprocessableEntity, "", fmt.Sprintf(format, args...))
}

// Refused says that an error is the operator's mistake, and its text is for the operator.
func Refused(err error) bool {
	var p *inbound.Problem
	return errors.As(err, &p)
}

// brokenOffError is the error of a change of which a part may have been made.
type brokenOffError struct{ error }

func (e *brokenOffError) Unwrap() error { return e.error }

// brokeOff says of the error of a change that a part of the change may have been made; nil stays nil.
func brokeOff(err error) error {
	if err == nil {
		return nil
	}
	return &brokenOffError{err}
}

// Problem is the answer to an error of a method: 422 for a mistake of the operator, 404 for a webhook that is not known, 413 for a file that is
// too large, and 503 for any other error, which is logged. The error must not be nil.
func (a *Admin) Problem(err error) *inbound.Problem {
	var refused *inbound.Problem
	var unknown *queue.NotFoundError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &unknown):
		return inbound.New(http.StatusNotFound, "", unknown.Error())
	case errors.As(err, &large):
		return inbound.New(http.StatusRequestEntityTooLarge, "", fmt.Sprintf("the file is larger than %d MiB: import it in parts", large.Limit>>20))
	}
	a.Log.Error("queue unavailable", "error", err)
	var part *brokenOffError
	if errors.As(err, &part) {
		return inbound.Unavailable("Redis does not answer. The change may have been made in part: look, and try again.")
	}
	return inbound.Unavailable("Redis does not answer. Try again in a moment.")
}

// mayChange refuses where nothing can be changed.
func (a *Admin) mayChange() error {
	if a.Config.ReadOnly {
		return refuse("ADMIN_READ_ONLY is set: nothing can be changed here")
	}
	return nil
}

// MayReveal refuses where addresses stay masked.
func (a *Admin) MayReveal() error {
	if !a.Config.Reveal {
		return refuse("addresses stay masked here: ADMIN_REVEAL is not set")
	}
	return nil
}
