package inbound

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Body says which bodies an endpoint reads.
type Body struct {
	// MediaTypes that are taken, each without parameters. Text has to be UTF-8, whatever its type. Without any, the type is not looked at.
	MediaTypes []string
	// Limit is the size of the largest body, in bytes.
	Limit int64
	// Setting is the variable that sets Limit, named in the refusal of a larger body; "" where the limit is fixed.
	Setting string
}

// preallocated bounds the memory that an announced length gets before the body has come.
const preallocated = 32 << 10

// Read returns the body of a request; empty for an empty one. A body that is announced too large is refused before any of it is read, and of
// one that turns out too large no more than Limit is. Errors: *Problem, also one that the request's Body returns.
func (b *Body) Read(r *http.Request) ([]byte, error) {
	if !b.takes(r.Header.Get("Content-Type")) {
		return nil, New(http.StatusUnsupportedMediaType, OutcomeMediaType, "send Content-Type: "+strings.Join(b.MediaTypes, " or ")+", in UTF-8")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, New(http.StatusUnsupportedMediaType, OutcomeMediaType, "send the body without Content-Encoding")
	}
	if r.ContentLength > b.Limit {
		return nil, b.tooLarge()
	}
	body, err := read(io.LimitReader(r.Body, b.Limit+1), r.ContentLength)
	if int64(len(body)) > b.Limit {
		return nil, b.tooLarge()
	}
	var refused *Problem
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, Malformed("the body ended before it was whole, or came too slowly")
	}
	return body, nil
}

// takes reports whether a body of a type is read.
func (b *Body) takes(contentType string) bool {
	if len(b.MediaTypes) == 0 {
		return true
	}
	kind, params, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains(b.MediaTypes, kind) && isUTF8(params["charset"])
}

// read reads all of a body whose length is announced, -1 where it is not. The memory grows with what has arrived, and not beyond the length.
func read(r io.Reader, length int64) ([]byte, error) {
	buffer := make([]byte, 0, min(max(length, 0), preallocated)+1) // one more, to find the end
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
		if len(buffer) == cap(buffer) {
			size := max(2*len(buffer), 512)
			if length >= int64(len(buffer)) {
				size = int(min(int64(size), length+1))
			}
			buffer = append(make([]byte, 0, size), buffer...)
		}
	}
}

// isUTF8 says whether a charset is UTF-8, by its name (in any case, RFC 9110, section 8.3.2) or as many write it; "" is.
func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

func (b *Body) tooLarge() *Problem {
	detail := fmt.Sprintf("the body is larger than %d bytes", b.Limit)
	if b.Setting != "" {
		detail += " (" + b.Setting + ")"
	}
	return New(http.StatusRequestEntityTooLarge, OutcomeTooLarge, detail)
}
