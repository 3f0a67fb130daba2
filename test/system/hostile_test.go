package system

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// tell sends raw over one connection, and returns the status of every answer until the server has closed the connection. It closes its own
// side after the first answer, with cut at once. The test fails if the server neither answers nor closes within a minute: the server's own
// limits are half of that.
func (s *system) tell(raw string, cut bool) []int {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(conn, raw) // the server may close the connection
		if cut {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	var statuses []int
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.Errorf("no answer to %.200q", raw)
			}
			break
		}
		statuses = append(statuses, resp.StatusCode)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	_ = conn.Close()
	<-sent
	return statuses
}

const (
	line    = "POST /webhooks/pos HTTP/1.1\r\n"
	headers = "Host: ringup\r\nAuthorization: Bearer token-for-the-tests\r\nContent-Type: application/json\r\n"
)

// webhookOf returns the body of a valid webhook.
func webhookOf(id string) string {
	return fmt.Sprintf(`{"id":%q,"event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"customerPhone":"+15550100000"}}`, id)
}

func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

func sized(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

// TestHostileRequests sends malformed requests. Each is answered with a clear 4xx, or its connection is closed. No part of one is accepted as
// a webhook, and a good request on another connection is served.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	smuggled := line + headers + sized(webhookOf("smuggled"))
	bomb := &strings.Builder{}
	z := gzip.NewWriter(bomb)
	_, _ = io.Copy(z, io.LimitReader(zeros{}, 100<<20))
	_ = z.Close()
	data := func(more string) string {
		return `{"id":"bad","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z",` + more + `}`
	}
	for _, tt := range []struct {
		name, raw string
		want      []int // the possible statuses of the only answer; the connection may also be closed without one
	}{
		// Requests with an ambiguous end.
		{"both lengths", line + headers + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}},
		{"both lengths, the other way round", line + headers + "Transfer-Encoding: chunked\r\nContent-Length: 500\r\n\r\n0\r\n\r\n" + smuggled, []int{400}},
		{"two lengths", line + headers + "Content-Length: 2\r\nContent-Length: 300\r\n\r\n{}" + smuggled, []int{400}},
		{"two lengths in one", line + headers + "Content-Length: 2, 300\r\n\r\n{}" + smuggled, []int{400}},
		{"a length with a sign", line + headers + "Content-Length: +2\r\n\r\n{}" + smuggled, []int{400}},
		{"a negative length", line + headers + "Content-Length: -1\r\n\r\n{}", []int{400}},
		{"a length in hex", line + headers + "Content-Length: 0x2\r\n\r\n{}", []int{400}},
		{"a length beyond numbers", line + headers + "Content-Length: 99999999999999999999999\r\n\r\n{}", []int{400, 413}},
		{"a length of nine exabytes", line + headers + "Content-Length: 9223372036854775807\r\n\r\n{}", []int{413}},
		{"an unknown coding", line + headers + "Transfer-Encoding: xchunked\r\n\r\n" + chunked("{}") + smuggled, []int{400, 501}},
		{"chunked twice", line + headers + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("{}") + smuggled, []int{400, 501}},
		{"chunked and identity", line + headers + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunked("{}") + smuggled, []int{400, 501}},
		{"gzip, chunked", line + headers + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked("{}") + smuggled, []int{400, 501}},
		{"chunked with a vertical tab", line + headers + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked("{}") + smuggled, []int{400, 501}},
		{"a space before the colon", line + headers + "Transfer-Encoding : chunked\r\n\r\n" + chunked("{}") + smuggled, []int{400}},
		// A folded header is read as one line, which RFC 9112, section 5.2, allows. It must not be read as two headers.
		{"a folded header", line + headers + "X-Folded: a\r\n Transfer-Encoding: chunked\r\n" + sized("{}"), []int{400, 422}},
		{"a length in a fold", line + headers + "X-Folded: a\r\n Content-Length: 500\r\nContent-Length: 2\r\n\r\n{}", []int{400, 422}},
		{"a bare CR in a header", line + headers + "X-A: b\rTransfer-Encoding: chunked\r\n" + sized("{}"), []int{400}},
		{"a NUL in a header", line + headers + "X-A: b\x00c\r\n" + sized("{}"), []int{400}},
		{"a header without a name", line + headers + ": x\r\n" + sized("{}"), []int{400}},
		{"a header without a colon", line + headers + "nonsense\r\n" + sized("{}"), []int{400}},
		{"two hosts", line + headers + "Host: other\r\n" + sized("{}"), []int{400}},
		{"no host", line + "Content-Type: application/json\r\n" + sized("{}"), []int{400}},
		{"invalid chunk sizes", line + headers + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + smuggled, []int{400}},
		{"a chunk size beyond numbers", line + headers + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}", []int{400}},
		{"a chunk that does not end", line + headers + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}{}{}{}\r\n0\r\n\r\n" + smuggled, []int{400}},
		{"chunk extensions without end", line + headers + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 1<<20) + "\r\n{}\r\n0\r\n\r\n", []int{400}},
		{"chunks of one byte with extensions", line + headers + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\n \r\n", 5000) + "0\r\n\r\n", []int{400}},
		// Requests over a limit.
		{"ten thousand headers", line + headers + strings.Repeat("X: y\r\n", 10_000) + sized("{}"), []int{431}},
		{"a header of a megabyte", line + headers + "X: " + strings.Repeat("y", 1<<20) + "\r\n" + sized("{}"), []int{431}},
		{"a path of a megabyte", "POST /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\n" + headers + sized("{}"), []int{414, 431}},
		{"two megabytes, chunked", line + headers + "Transfer-Encoding: chunked\r\n\r\n" + chunked(strings.Repeat(" ", 2<<20)), []int{413}},
		{"two megabytes", line + headers + sized(strings.Repeat(" ", 2<<20)), []int{413}},
		{"a bomb", line + headers + "Content-Encoding: gzip\r\n" + sized(bomb.String()), []int{415}},
		{"a bomb under another name", line + headers + "Content-Encoding: identity, gzip\r\n" + sized(bomb.String()), []int{415}},
		{"half a body", line + headers + "Content-Length: 1000\r\n\r\n{", []int{400}},
		{"no body", line + headers + "\r\n", []int{400}},
		// Other protocols.
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello", []int{400}},
		{"HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 404, 405, 505}},
		{"HTTP/0.9", "GET /webhooks/pos\r\n\r\n", []int{400}},
		{"HTTP/9.9", "POST /webhooks/pos HTTP/9.9\r\n" + headers + sized("{}"), []int{400, 505}},
		{"a method with a space", "PO ST /webhooks/pos HTTP/1.1\r\n" + headers + sized("{}"), []int{400}},
		{"an upgrade", line + headers + "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n" + sized("{}"), []int{422}},
		{"a tunnel", "CONNECT /webhooks/pos HTTP/1.1\r\nHost: ringup\r\n\r\n", []int{400, 404, 405}},
		// Other ways to write a path.
		{"//", "POST //webhooks/pos HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"..", "POST /x/../webhooks/pos HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"%2e%2e", "POST /x/%2e%2e/webhooks/pos HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"%2f", "POST /webhooks%2fpos HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"%00", "POST /webhooks/pos%00 HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"%zz", "POST /webhooks/pos%zz HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{400}},
		{";", "POST /webhooks/pos;x=y HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"a slash at the end", "POST /webhooks/pos/ HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"an asterisk", "OPTIONS * HTTP/1.1\r\n" + headers + "\r\n", []int{200, 400, 404, 405}},
		{"the test endpoints", "POST /test/simulate-webhook HTTP/1.1\r\n" + headers + sized(webhookOf("bad")), []int{404}},
		{"the operators'", "GET /metrics HTTP/1.1\r\n" + headers + "\r\n", []int{404}},
		{"a status with NUL", "GET /v1/notifications/%00%ff%0a HTTP/1.1\r\n" + headers + "\r\n", []int{400, 404}},
		{"a status of ten kilobytes", "GET /v1/notifications/" + strings.Repeat("%2f", 3000) + " HTTP/1.1\r\n" + headers + "\r\n", []int{404}},
		// Bodies.
		{"deep", line + headers + sized(data(`"data":{},"x":`+strings.Repeat("[", 400_000)+strings.Repeat("]", 400_000))), []int{400}},
		{"deep, and never closed", line + headers + sized(strings.Repeat(`{"a":`, 150_000)), []int{400}},
		{"invalid UTF-8", line + headers + sized(data(`"data":{"customerName":"`+"\xff\xc0\xaf"+`"}`)), []int{400}},
		{"the id twice", line + headers + sized(`{"id":"bad","id":"good","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`), []int{400}},
		{"the phone twice", line + headers + sized(data(`"data":{"customerPhone":"+15550100000","customer\u0050hone":"+15550100001"}`)), []int{400}},
		{"100,000 invalid items", line + headers + sized(data(`"data":{"items":[`+strings.Repeat("1,", 100_000)+`1]}`)), []int{422}},
		{"100,000 names", line + headers + sized(data(`"data":{"a":{`+names(50_000)+`}, "amount":[]}`)), []int{422}},
		{"something after it", line + headers + sized(webhookOf("bad")+webhookOf("worse")), []int{400}},
		{"UTF-16", line + "Host: ringup\r\nAuthorization: Bearer token-for-the-tests\r\nContent-Type: application/json; charset=utf-16\r\n" + sized(webhookOf("bad")), []int{415}},
		{"two types", line + "Host: ringup\r\nAuthorization: Bearer token-for-the-tests\r\nContent-Type: text/plain\r\nContent-Type: application/json\r\n" + sized(webhookOf("bad")), []int{415}},
		{"two tokens", line + "Host: ringup\r\nAuthorization: Bearer unknown\r\nAuthorization: Bearer token-for-the-tests\r\nContent-Type: application/json\r\n" + sized(webhookOf("bad")), []int{401}},
		{"an id with lines", line + headers + sized(`{"id":"a\r\nlevel=ERROR msg=forged","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`), []int{422}},
		{"an id with an escape", line + headers + sized(`{"id":"a\u001b[2J\u009b","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`), []int{422}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			own := *s
			own.T = t
			got := own.tell(tt.raw, strings.HasPrefix(tt.name, "half a body"))
			if len(got) > 0 {
				known := false
				for _, status := range tt.want {
					known = known || status == got[0]
				}
				if !known {
					t.Errorf("HTTP %v, want one of %v or a closed connection", got, tt.want)
				}
			}
			for _, status := range got {
				if status == http.StatusAccepted {
					t.Errorf("a part of it was accepted as a webhook: HTTP %v", got)
				}
			}
			if good := own.tell(line+headers+"Connection: close\r\n"+sized(webhookOf("good "+tt.name)), false); len(good) != 1 || good[0] != http.StatusAccepted {
				t.Errorf("a good request on another connection: HTTP %v", good)
			}
		})
	}
	t.Cleanup(func() {
		log := s.ingest.text()
		for _, bad := range []string{"panic", `"status":500`, "level=ERROR msg=forged", "smuggled"} {
			if strings.Contains(log, bad) {
				t.Errorf("there is %q in the log", bad)
			}
		}
	})
}

// zeros is a reader of zeros without an end. They compress well.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// names returns the members of an object with many names.
func names(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"n%d":1`, i)
	}
	return b.String()
}
