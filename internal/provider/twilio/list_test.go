package twilio

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/failure"
)

var update = flag.Bool("update", false, "write testdata/codes.txt")

// TestTheList says of each code of Twilio's list what it means, and which are unknown: those go by their range, or by the HTTP status.
func TestTheList(t *testing.T) {
	t.Parallel()
	const name = "testdata/codes.txt"
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var head, want strings.Builder
	var codes []int
	for line := bufio.NewScanner(strings.NewReader(string(file))); line.Scan(); {
		number, _, _ := strings.Cut(line.Text(), " ")
		if code, err := strconv.Atoi(number); err == nil {
			codes = append(codes, code)
		} else {
			head.WriteString(line.Text() + "\n")
		}
	}
	// Those that Twilio added later are here too.
	for _, table := range []map[int]failure.Error{answers, reports} {
		for code := range table {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	want.WriteString(head.String())
	for _, code := range slices.Compact(codes) {
		want.WriteString(strconv.Itoa(code) + " " + inWords(code) + "\n")
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
	words := func(e failure.Error) string { return fmt.Sprintf("%s %s", e.Class, e.Reason) }
	text := "unknown: by the HTTP status"
	if meaning, known := AnswerCode(code); known {
		text = words(meaning)
	} else if meaning, known = UnknownCode(code); known {
		text = "unknown: by its range " + words(meaning)
	}
	if report := words(ReportCode(code)); report != text {
		text += ", in a report " + report
	}
	return text
}
