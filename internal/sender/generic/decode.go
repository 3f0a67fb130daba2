package generic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/value"
)

// SyntaxError means that a body is no JSON, or JSON that two readers could understand differently (RFC 7493).
type SyntaxError struct {
	Offset int64 // bytes
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the body is not valid JSON: %s, at byte %d", e.Reason, e.Offset)
}

// InvalidError means valid JSON that is not a valid webhook.
type InvalidError struct {
	Problems []inbound.FieldError // the path of each as data.items[2].quantity
}

func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = strings.TrimPrefix(p.Path+": ", ": ") + p.Message
	}
	return strings.Join(texts, "; ")
}

// maxDepth bounds nesting; payloads have four levels.
const maxDepth = 64

// decoder is kept between payloads for the stacks of its JSON decoder, and for its payload, which is large and mostly empty.
type decoder struct {
	jsontext.Decoder
	buffer  bytes.Buffer
	payload object[payload]
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// byteOrderMark is what some systems put in front of a text in UTF-8. RFC 8259 (section 8.1) lets a reader pass it over.
const byteOrderMark = "\ufeff"

// TrimMark returns a body without a byte order mark in front.
func TrimMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte(byteOrderMark)) }

// Decode reads and validates a payload, and returns its event, which is one of the store "default", with the values that were left out of it. A
// timestamp without a zone is in zone; now stands in for one that cannot be read. Errors: *SyntaxError, *InvalidError with every wrong field. Neither
// they nor the notes quote the payload's values.
func Decode(body []byte, zone *time.Location, now time.Time) (*event.Event, []value.Note, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	text := TrimMark(body)
	if err := d.read(text); err != nil {
		err.Offset += int64(len(body) - len(text))
		return nil, nil, err
	}
	if d.payload.kind != '{' {
		return nil, nil, &InvalidError{Problems: []inbound.FieldError{{Message: "must be an object, is " + kindName(d.payload.kind)}}}
	}
	e, notes, problems := d.payload.members.validate(zone, now)
	if len(problems) > 0 {
		return nil, nil, &InvalidError{Problems: problems}
	}
	return e, notes, nil
}

// release keeps the decoder for another payload, and nothing of this one.
func (d *decoder) release() {
	d.buffer, d.payload = bytes.Buffer{}, object[payload]{}
	decoders.Put(d)
}

// read reads the JSON of a payload.
func (d *decoder) read(body []byte) *SyntaxError {
	if !utf8.Valid(body) {
		return &SyntaxError{Offset: invalidAt(body), Reason: "it is not valid UTF-8"}
	}
	if at := tooDeep(body); at > 0 {
		return &SyntaxError{Offset: at, Reason: "it is nested too deeply"}
	}
	d.buffer = *bytes.NewBuffer(body)
	// The body is valid UTF-8. What is allowed are half surrogate pairs in escapes.
	d.Reset(&d.buffer, jsontext.AllowInvalidUTF8(true))
	if err := json.UnmarshalDecode(&d.Decoder, &d.payload); err != nil {
		return syntaxError(err, d.InputOffset())
	}
	switch _, err := d.ReadToken(); {
	case err == nil:
		return &SyntaxError{Offset: d.InputOffset(), Reason: "there is more after the payload"}
	case !errors.Is(err, io.EOF):
		return syntaxError(err, d.InputOffset())
	}
	return nil
}

// invalidAt returns where the first bytes are that are not UTF-8.
func invalidAt(body []byte) int64 {
	at := 0
	for at < len(body) {
		r, n := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return int64(at)
}

// syntaxError says what is wrong with the JSON; offset is how far it was read.
func syntaxError(err error, offset int64) *SyntaxError {
	var syntactic *jsontext.SyntacticError
	reason := "it cannot be read"
	switch {
	case errors.As(err, &syntactic):
		offset = syntactic.ByteOffset
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			reason = "a name stands twice in one object"
		case errors.Is(err, io.ErrUnexpectedEOF):
			reason = "it ends too early"
		default:
			reason = "unexpected character"
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "it ends too early"
	case errors.Is(err, io.EOF):
		reason = "it is empty"
	}
	return &SyntaxError{Offset: offset, Reason: reason}
}

// tooDeep returns how far a payload can be read until it is nested too deeply; 0 when it is not. Where it is no JSON at all, it may be either.
func tooDeep(body []byte) int64 {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxDepth { // most payloads, for a twentieth of the time
		return 0
	}
	depth, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return int64(i) + 1
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return 0
}
