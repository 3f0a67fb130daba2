package app_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/app"
)

func TestListen(t *testing.T) {
	t.Parallel()
	first, err := app.Listen("PORT", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	_, port, _ := net.SplitHostPort(first.Addr().String())
	if _, err := app.Listen("ADMIN_PORT", first.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "ADMIN_PORT "+port+" cannot be bound: ") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestRunUntil(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	broken := errors.New("broken")
	forever := func() error { <-ctx.Done(); return nil }
	if err := app.RunUntil(ctx, forever, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a function failed: %v", err)
	}
	server := &http.Server{}
	listener, err := app.Listen("PORT", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Serve(server, listener) }()
	cancel()
	if err := app.RunUntil(ctx, func() error { select {} }); err != nil {
		t.Errorf("the context ended: %v", err)
	}
	if err := errors.Join(server.Close(), <-served); err != nil {
		t.Errorf("a server that is closed: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	if app.Invalid(nil) != nil {
		t.Error("no error is an error")
	}
	if err := app.Invalid(errors.New("PORT is -1")); err == nil || !strings.HasSuffix(err.Error(), "\nPORT is -1") {
		t.Errorf("%v", err)
	}
}
