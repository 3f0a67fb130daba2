package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"ringup.dev/ringup/internal/provider/transport"
)

// turnsAway serves one connection of HTTP/2: answer answers the requests, by their streams.
func turnsAway(conn net.Conn, answer func(*http2.Framer, uint32)) {
	defer func() { _ = conn.Close() }()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	if framer.WriteSettings() != nil {
		return
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				answer(framer, f.StreamID)
			}
		}
	}
}

// TestNotBegun: where the server says that it has not begun with a request, the message is handed over again at once, and it is not uncertain; also
// where the SDK made the request without a way to read its body again.
func TestNotBegun(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*http2.Framer, uint32){
		"GOAWAY":         func(f *http2.Framer, _ uint32) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"REFUSED_STREAM": func(f *http2.Framer, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(nil)
			server.StartTLS() // for its certificate
			authorities := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			certificate := server.TLS.Certificates[0]
			server.Close()
			var lc net.ListenConfig
			plain, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			listener := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
			t.Cleanup(func() { _ = listener.Close() })
			var requests atomic.Int64
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go turnsAway(conn, func(f *http2.Framer, stream uint32) {
						if requests.Add(1) == 1 {
							refuse(f, stream)
							return
						}
						var block bytes.Buffer
						_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
						_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
					})
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			call := transport.NewTrusting(1, authorities).Call(ctx, nil)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+plain.Addr().String(), io.NopCloser(bytes.NewReader([]byte("message"))))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = int64(len("message"))
			resp, err := call.RoundTrip(r)
			if err != nil || call.Status != http.StatusOK || requests.Load() != 2 {
				t.Fatalf("%v, HTTP %d after %d requests", err, call.Status, requests.Load())
			}
			_ = resp.Body.Close()
		})
	}
}
