package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// accepted is the time at which the jobs of these tests were accepted.
var accepted = time.UnixMilli(1_800_000_000_000)

// bytesOf returns the bytes of a job.
func bytesOf(t *testing.T, id string, priority int) string {
	t.Helper()
	j := &job.Job{WebhookID: id, Channel: message.SMS, Index: 1, Priority: priority, AcceptedAt: accepted, Recipient: "+15550100000", Body: []byte("{}"), Version1: true}
	raw, err := j.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestHistory replays correct histories, in which no mistake may be found, and wrong ones.
func TestHistory(t *testing.T) {
	t.Parallel()
	const base = "{ringup:sms}:"
	first, second, last := bytesOf(t, "a", 1), bytesOf(t, "b", 1), bytesOf(t, "z", 4)
	leaseFrom := func(at time.Time) string { return fmt.Sprint(at.Add(lease).UnixMilli()) }
	soon, late := leaseFrom(accepted.Add(time.Second)), leaseFrom(accepted.Add(aging+time.Second))
	enqueue := []string{"MULTI", "RPUSH " + base + "queue:1 " + first + " " + second, "RPUSH " + base + "queue:4 " + last, "EXEC"}
	for name, test := range map[string]struct {
		commands []string
		want     string // "": nothing is found
	}{
		"claimed, settled, trimmed": {append(enqueue,
			"MULTI", "LPOP "+base+"queue:1 2", "ZADD "+base+"inflight "+soon+" "+first+" "+soon+" "+second, "EXEC",
			"ZADD "+base+"inflight XX "+late+" "+first,
			"MULTI", "ZREM "+base+"inflight "+first+" "+second, "ZADD "+base+"completed 1 "+first+" 2 "+second, "ZPOPMIN "+base+"completed 1", "EXEC"), ""},
		"lost":                          {append(enqueue, "LPOP "+base+"queue:1"), "a:sms:1 is in 0 lists or sets"},
		"twice":                         {append(enqueue, "ZADD "+base+"retry 5 "+first), "a:sms:1 is in 2 lists or sets"},
		"forgotten when settled":        {append(enqueue, "ZADD "+base+"completed 1 "+last, "ZREM "+base+"completed "+last, "LPOP "+base+"queue:1"), "is in 2 lists or sets"},
		"taken without a lease":         {append(enqueue, "LPOP "+base+"queue:4"), "without a lease"},
		"passed by one that comes back": {append(enqueue, "MULTI", "LPOP "+base+"queue:1 1", "LPUSH "+base+"queue:1 "+first, "EXEC"), ""},
		"ahead of one that waits":       {append(enqueue, "MULTI", "LTRIM "+base+"queue:1 0 0", "RPUSH "+base+"queue:1 "+second, "EXEC"), ""},
		"cut off the end":               {append(enqueue, "LTRIM "+base+"queue:1 0 0"), "b:sms:1 is in 0 lists or sets"},
		"overtaken":                     {append(enqueue, "MULTI", "LPOP "+base+"queue:4", "ZADD "+base+"inflight "+soon+" "+last, "EXEC"), "z:sms:1 (priority 4) was taken after 1s, while a:sms:1 (priority 1) was left"},
		"overtaken after the aging":     {append(enqueue, "MULTI", "LPOP "+base+"queue:4", "ZADD "+base+"inflight "+late+" "+last, "EXEC"), ""},
		"by priority, part of it":       {append(enqueue, "MULTI", "LPOP "+base+"queue:1 1", "ZADD "+base+"inflight "+soon+" "+first, "EXEC"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var file strings.Builder
			for _, command := range test.commands {
				words := strings.Split(command, " ")
				fmt.Fprintf(&file, "*%d\r\n", len(words))
				for _, word := range words {
					fmt.Fprintf(&file, "$%d\r\n%s\r\n", len(word), word)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte(file.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := readHistory(dir)
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Join(h.found, "\n")
			if test.want == "" && found != "" || !strings.Contains(found, test.want) {
				t.Errorf("found %q, want %q", found, test.want)
			}
		})
	}
}

// TestHistoryRefusesUnknownCommands: a command that the replay cannot follow ends it with an error.
func TestHistoryRefusesUnknownCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte("*2\r\n$3\r\nDEL\r\n$20\r\n{ringup:sms}:queue:1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readHistory(dir); err == nil || !strings.Contains(err.Error(), "DEL") {
		t.Errorf("DEL of a list: %v", err)
	}
}
