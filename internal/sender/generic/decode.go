package generic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
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

// decoder is kept between payloads for the stacks of its JSON decoder.
type decoder struct {
	jsontext.Decoder
	buffer bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode reads and validates a payload, and returns its event, which is one of the store "default". Errors: *SyntaxError, *InvalidError with
// every wrong field. Neither quotes the payload's values.
func Decode(body []byte) (*event.Event, error) {
	if at := tooDeep(body); at > 0 {
		return nil, &SyntaxError{Offset: at, Reason: "it is nested too deeply"}
	}
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.buffer = *bytes.NewBuffer(body)
	defer func() { d.buffer = bytes.Buffer{} }()
	d.Reset(&d.buffer)
	var p object[payload]
	if err := json.UnmarshalDecode(&d.Decoder, &p); err != nil {
		return nil, syntaxError(err, d.InputOffset())
	}
	switch _, err := d.ReadToken(); {
	case err == nil:
		return nil, &SyntaxError{Offset: d.InputOffset(), Reason: "there is more after the payload"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err, d.InputOffset())
	}
	if p.kind != '{' {
		return nil, &InvalidError{Problems: []inbound.FieldError{{Message: "must be an object, is " + kindName(p.kind)}}}
	}
	e, problems := p.members.validate()
	if len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	return e, nil
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
		case strings.Contains(syntactic.Err.Error(), "UTF-8"):
			reason = "it is not valid UTF-8"
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
