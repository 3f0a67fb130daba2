package ingest

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/generic"
)

// headLines are lines that net/http takes in a head, and passes over in front of one: among them are continuations of the line before (RFC 9112, section 5.2).
var headLines = rapid.OneOf(rapid.StringMatching(`x:[a-z ]{0,10}`), rapid.SampledFrom([]string{" ", "\t", "  ", " \t ", " x", "x:", "x: \r"}))

// TestHeadsAreCounted: in whatever parts a request comes, what net/http takes for a head counts as one.
func TestHeadsAreCounted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "end")
		head := strings.Repeat(end, rapid.IntRange(0, 2).Draw(t, "empty lines")) + "POST / HTTP/1.1" + end
		for _, one := range rapid.SliceOf(headLines).Draw(t, "lines") {
			head += one + end
		}
		head += end
		body := rapid.StringMatching(`[a-z\r\n]{0,50}`).Draw(t, "body")
		c := &conn{}
		for sent := head + body; sent != ""; {
			n := rapid.IntRange(1, len(sent)).Draw(t, "part")
			c.count([]byte(sent[:n]))
			sent = sent[n:]
		}
		if c.phase != inBody || c.head != int64(len(head)) || c.rest != int64(len(body)) {
			t.Fatalf("phase %d, %d bytes of head and %d behind it, want %d and %d", c.phase, c.head, c.rest, len(head), len(body))
		}
	})
}

// TestHeadsBehindARequest: a head of which some was read with the request before counts as a head until the handler has it, whatever is in it.
func TestHeadsBehindARequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &Server{bytes: newBudget(1<<30, littleBytes)}
		c := &conn{server: p, share: headShare}
		first := "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
		c.count([]byte(first))
		c.begin(c.client)
		before := rapid.StringMatching(`[a-z:\r\n ]{1,50}`).Draw(t, "with the request before")
		after := rapid.StringMatching(`([a-z:\r\n ]|\r\n\r\n){0,50}`).Draw(t, "by itself")
		c.count([]byte(before))
		c.end(2)
		c.count([]byte(after))
		if c.head != int64(len(before)+len(after)) || c.rest != 0 {
			t.Fatalf("%d bytes of head and %d behind it, want %d", c.head, c.rest, len(before)+len(after))
		}
		if c.begin(c.client) {
			t.Fatal("the connection is taken for a good one")
		}
	})
}

// TestCharges: a request is charged for its head from the first byte to the end, also while its body is thrown away or its answer is delayed, and for its
// body and its memory until then.
func TestCharges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(1<<30, littleBytes)
		c := &conn{server: &Server{bytes: b}, share: headShare}
		charged := func(when string, want int) {
			if got := b.inUse(); got != int64(want) {
				t.Fatalf("%s: %d bytes are charged, want %d", when, got, want)
			}
		}
		head := "POST / HTTP/1.1\r\n" + strings.Repeat("x:\r\n", rapid.IntRange(0, 2000).Draw(t, "headers")) + "\r\n"
		body, memory := rapid.IntRange(0, 1<<20).Draw(t, "body"), rapid.IntRange(0, 1<<20).Draw(t, "memory")
		c.count([]byte(head))
		c.charge(headShare)
		charged("the head", max(minInflightCost, headCost*len(head)))
		if !c.begin(c.client) || !c.admitted() {
			t.Fatal("not taken")
		}
		c.count(make([]byte, body))
		c.charge(bodyShare)
		charged("the body", max(minInflightCost, headCost*len(head)+body))
		if !c.weigh(int64(memory)) {
			t.Fatal("not taken")
		}
		charged("the event", max(minInflightCost, headCost*len(head)+body, headCost*len(head)+body+memory/bodyFactor))
		c.discard()
		charged("discarding", max(minInflightCost, headCost*len(head)))
		c.count(make([]byte, 1<<20))
		c.end(int64(body + 1<<20))
		charged("afterwards", 0)
	})
}

// TestManyItems: an event counts for the memory that its lists take, and not for the few bytes that they were written with.
func TestManyItems(t *testing.T) {
	t.Parallel()
	slow := &slowQueue{entered: make(chan struct{}), leave: make(chan struct{})}
	p := serve(t, testConfig(), slow, nil)
	for name, data := range map[string]string{
		"items":   `{"items":[{}` + strings.Repeat(",{}", event.MaxItems-1) + `]}`,
		"options": `{"items":[` + strings.TrimSuffix(strings.Repeat(`{"options":["x"`+strings.Repeat(`,"x"`, event.MaxOptions-1)+`]},`, 1000), ",") + `]}`,
	} {
		body := `{"id":"w","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":` + data + `}`
		conn := p.dial(t)
		_, _ = io.WriteString(conn, testLine+"Authorization: Bearer token\r\n"+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
		<-slow.entered
		e, _, err := generic.Decode([]byte(body), time.UTC, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		lists := len(e.Items) * int(reflect.TypeFor[event.Item]().Size())
		for _, item := range e.Items {
			lists += len(item.Options) * int(reflect.TypeFor[string]().Size())
		}
		if held := int(p.bytes.inUse()); held*bodyFactor < bodyFactor*len(body)+lists {
			t.Errorf("%s: %d bytes are charged for %d bytes of body and %d bytes of lists", name, held, len(body), lists)
		}
		slow.leave <- struct{}{}
		if resp, answer := answerOf(t, conn); resp.StatusCode != http.StatusAccepted {
			t.Errorf("%s: HTTP %d %s", name, resp.StatusCode, answer)
		}
		_ = conn.Close()
		p.empty(t)
	}
}

// TestTrailers: fields behind a chunked body are not kept.
func TestTrailers(t *testing.T) {
	t.Parallel()
	kept := make(chan int, 1)
	p := serve(t, testConfig(), &fakeQueue{}, nil)
	p.next = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := r.Body.(*pacedBody)
		_, _ = io.Copy(io.Discard, body)
		kept <- len(body.request.Trailer) + len(r.Trailer)
	})
	for _, declared := range []string{"", "Trailer: X0\r\n"} {
		if resp, _ := p.ask(t, testLine+declared+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX0: a\r\nX1: b\r\n\r\n"); resp.StatusCode != http.StatusOK {
			t.Errorf("HTTP %d", resp.StatusCode)
		}
		if n := <-kept; n != 0 {
			t.Errorf("%d fields are kept", n)
		}
	}
}
