package acme_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/sendertest/acme"
)

// docs: suite

func suite() sendertest.Suite {
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			var all [][]byte
			for _, key := range keys {
				all = append(all, []byte(key))
			}
			return acme.New("default", all)
		},
		Sign: func(d *sender.Delivery, key string) {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write(d.Body)
			d.Header.Set("Acme-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		},
		Samples:   []sendertest.Sample{{Name: "sale.paid"}},
		Essential: []string{"id", "topic"},
	}
}

// TestSender: it keeps to the contract.
func TestSender(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, suite())
}

// docs: end

// TestTheDocsShowThisExample: every Go snippet of docs/adding-a-sender.md is a part that is compiled and tested here, and every part is shown.
func TestTheDocsShowThisExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/adding-a-sender.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, s := range regexp.MustCompile("(?s)\n```go\n(.*?)\n```\n").FindAllStringSubmatch(string(page), -1) {
		shown[strings.TrimSpace(s[1])] = true
	}
	parts := 0
	for _, file := range []string{"acme.go", "acme_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range regexp.MustCompile(`(?m)^// docs: (\w+)$`).Split(string(text), -1)[1:] {
			part = strings.TrimSpace(part)
			if part == "" || strings.HasPrefix(part, "// TestTheDocs") {
				continue
			}
			parts++
			if !shown[part] {
				t.Errorf("docs/adding-a-sender.md does not show\n%s", part)
			}
		}
	}
	if parts != len(shown) {
		t.Errorf("%d parts, and %d snippets", parts, len(shown))
	}
}
