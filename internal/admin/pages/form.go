package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"ringup.dev/ringup/internal/inbound"
)

// maxForm bounds the body of a form without a file, in bytes.
const maxForm = 64 << 10

// maxSelection bounds the form of a list, of which each job may be selected: its ids are there twice, and have some 250 bytes in the worst case, escaped to three times as many.
const maxSelection = 2 * 100 * 3 * 256

// form reads a request's form of at most limit bytes, with its files, into memory: the pods' file systems are read-only. A form of which a part cannot
// be read is refused: without that part, a filter for one, it may ask for a larger change. The values are those of the body, not of the address.
func form(w http.ResponseWriter, r *http.Request, limit int64) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseForm()
	if err == nil {
		if err = r.ParseMultipartForm(limit); errors.Is(err, http.ErrNotMultipart) { //nolint:gosec // the body is bounded
			err = nil
		}
	}
	if large, is := errors.AsType[*http.MaxBytesError](err); is && limit <= maxSelection {
		return nil, inbound.New(http.StatusRequestEntityTooLarge, "", fmt.Sprintf("the form is larger than %d KiB", large.Limit>>10))
	} else if is {
		return nil, err
	}
	if err != nil {
		return nil, inbound.New(http.StatusUnprocessableEntity, "", "the form cannot be read to its end: nothing was done")
	}
	return r.PostForm, nil
}

// isID says that a text is empty, or looks as ids do: in one word, with letters, and a digit, a colon or an underscore. Any other one may be a name or an
// address.
func isID(text string) bool {
	return text == "" || !strings.ContainsAny(text, "@ ") && strings.ContainsFunc(text, unicode.IsLetter) &&
		(strings.ContainsAny(text, ":_") || strings.ContainsFunc(text, unicode.IsDigit))
}
