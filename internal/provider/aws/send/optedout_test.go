package send_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/aws/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/test/emulator"
)

// TestOptedOut: the list is read to its end, and no further than asked.
func TestOptedOut(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, key string, numbers ...string) (*emulator.Server, provider.OptOutLister) {
		t.Helper()
		e := emulator.New()
		e.OptOut(numbers...)
		server := httptest.NewServer(e)
		t.Cleanup(server.Close)
		p, err := send.NewSNS(send.SNSConfig{AWS: config(server.URL, key)}, transport.New(1))
		if err != nil {
			t.Fatal(err)
		}
		return e, p
	}
	numbers := make([]string, 250)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("+1202555%04d", i)
	}
	var got []string
	collect := func(r message.Address) error {
		got = append(got, r.Reveal())
		return nil
	}
	e, p := open(t, emulator.AWSSecretAccessKey, append(slices.Clone(numbers), "not a number")...)
	if err := p.OptedOut(t.Context(), collect); err != nil || !slices.Equal(got, numbers) {
		t.Errorf("%d numbers, %v", len(got), err)
	}
	if n := e.Requests()["sns"]; n != 3 {
		t.Errorf("three pages took %d requests", n)
	}

	e, p = open(t, emulator.AWSSecretAccessKey, numbers...)
	full := errors.New("that is enough")
	got = nil
	err := p.OptedOut(t.Context(), func(r message.Address) error {
		if len(got) == 150 {
			return full
		}
		return collect(r)
	})
	if !errors.Is(err, full) || len(got) != 150 || e.Requests()["sns"] != 2 {
		t.Errorf("%v after %d numbers and %d requests", err, len(got), e.Requests()["sns"])
	}

	e, p = open(t, emulator.AWSSecretAccessKey, numbers...)
	ctx, cancel := context.WithCancel(t.Context())
	got = nil
	err = p.OptedOut(ctx, func(r message.Address) error {
		cancel()
		return collect(r)
	})
	if failed := failure.AsError(err); err == nil || failed.Reason != failure.ReasonTimeout || len(got) != 100 || e.Requests()["sns"] != 1 {
		t.Errorf("%v after %d numbers and %d requests", err, len(got), e.Requests()["sns"])
	}

	foreign := func(body string) emulator.Fault {
		return emulator.Fault{Probes: true, Kind: emulator.Foreign, Refusal: emulator.Refusal{Status: http.StatusOK, Text: body}}
	}
	for name, fault := range map[string]struct {
		fault  emulator.Fault
		class  failure.Class
		reason failure.Reason
	}{
		"too many requests": {emulator.Fault{Probes: true, Refusal: emulator.Refusal{Status: 400, Code: "Throttled"}}, failure.Throttled, failure.ReasonRateLimit},
		"not allowed": {emulator.Fault{Probes: true, Refusal: emulator.Refusal{Status: 403, Code: "AuthorizationError"}},
			failure.Account, failure.ReasonCredentials},
		"garbage":   {emulator.Fault{Probes: true, Kind: emulator.Garbage}, failure.Ambiguous, failure.ReasonUnreadable},
		"nothing":   {foreign(""), failure.Ambiguous, failure.ReasonUnreadable},
		"a text":    {foreign("no healthy upstream"), failure.Ambiguous, failure.ReasonUnreadable},
		"JSON":      {foreign(`{"phoneNumbers":[]}`), failure.Ambiguous, failure.ReasonUnreadable},
		"a page":    {foreign("<html><body/></html>"), failure.Ambiguous, failure.ReasonUnreadable},
		"half":      {foreign("<ListPhoneNumbersOptedOutResponse><ListPhoneNumbersOptedOutResult><phoneNumbers>"), failure.Ambiguous, failure.ReasonUnreadable},
		"a refusal": {foreign("<ErrorResponse><Error><Code>Throttled</Code></Error></ErrorResponse>"), failure.Ambiguous, failure.ReasonUnreadable},
	} {
		e, p = open(t, emulator.AWSSecretAccessKey, numbers...)
		got = nil
		err = p.OptedOut(t.Context(), func(r message.Address) error {
			e.Fail(fault.fault) // from the second page on
			return collect(r)
		})
		if failed := failure.AsError(err); err == nil || failed.Class != fault.class || failed.Reason != fault.reason || len(got) != 100 {
			t.Errorf("%s: %v after %d numbers", name, err, len(got))
		}
	}

	_, p = open(t, "wrong", numbers...)
	if failed := failure.AsError(p.OptedOut(t.Context(), collect)); failed.Reason != failure.ReasonCredentials {
		t.Errorf("wrong credentials: %v", failed)
	}
}

// TestOptedOutWithoutEnd: a list whose pages name themselves as the next one is given up.
func TestOptedOutWithoutEnd(t *testing.T) {
	t.Parallel()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		_, _ = io.WriteString(w, `<ListPhoneNumbersOptedOutResponse><ListPhoneNumbersOptedOutResult><phoneNumbers><member>+12025550143</member></phoneNumbers>`+
			`<nextToken>again</nextToken></ListPhoneNumbersOptedOutResult></ListPhoneNumbersOptedOutResponse>`)
	}))
	defer server.Close()
	p, err := send.NewSNS(send.SNSConfig{AWS: config(server.URL, emulator.AWSSecretAccessKey)}, transport.New(1))
	if err != nil {
		t.Fatal(err)
	}
	failed := failure.AsError(p.OptedOut(t.Context(), func(message.Address) error { return nil }))
	if failed.Reason != failure.ReasonUnreadable || requests != 2 {
		t.Errorf("%v after %d requests", failed, requests)
	}
}
