// Command emulator serves every provider's API on one port, for tests and for a cluster without accounts at the providers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ringup.dev/ringup/test/emulator"
)

func main() {
	addr := flag.String("addr", ":8088", "address to listen on")
	ingest := flag.String("ingest", "", "address of ringup's ingest, as http://ingest:3000, for the callbacks")
	public := flag.String("public", "", "ingest's PUBLIC_URL, if it differs from -ingest")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, emulator.CallbackOptions{Ingest: *ingest, Public: *public}); err != nil {
		fmt.Fprintln(os.Stderr, "emulator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string, callbacks emulator.CallbackOptions) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "emulator: listens on", listener.Addr())
	providers := emulator.New()
	if callbacks.Ingest != "" {
		c, err := providers.Callbacks(callbacks)
		if err != nil {
			return err
		}
		defer c.Close()
	}
	server := &http.Server{Handler: providers, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
