package whatsapp_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/whatsapp"
)

var update = flag.Bool("update", false, "write testdata/codes.txt")

// TestTheList says of each code of Meta's list what it means, and which are unknown: those go by their range, or by the HTTP status.
func TestTheList(t *testing.T) {
	t.Parallel()
	const name = "testdata/codes.txt"
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := bufio.NewScanner(strings.NewReader(string(file))); line.Scan(); {
		number, _, _ := strings.Cut(line.Text(), " ")
		code, err := strconv.Atoi(number)
		if err != nil {
			want.WriteString(line.Text() + "\n")
			continue
		}
		want.WriteString(number + " " + inWords(code) + "\n")
	}
	if *update {
		if err := os.WriteFile(name, []byte(want.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := string(file); got != want.String() {
		t.Errorf("%s is not what the code says: look at the difference, and write it by -update. It should be\n%s", name, want.String())
	}
}

func inWords(code int) string {
	words := func(e failure.Error) string {
		if e.RecipientOnly {
			return fmt.Sprintf("%s %s of the recipient", e.Class, e.Reason)
		}
		return fmt.Sprintf("%s %s", e.Class, e.Reason)
	}
	if meaning, known := whatsapp.AnswerCode(code); known {
		return words(meaning)
	}
	if meaning, known := whatsapp.UnknownCode(code); known {
		return "unknown: by its range " + words(meaning)
	}
	return "unknown: by the HTTP status"
}
