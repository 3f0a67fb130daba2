package gate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write zones.txt")

// libraryTable makes zones.txt of the library's own data (prefix_to_timezone.xml.gz in its module). Its form, little endian: the length of
// the names, the names with newlines between, the number of prefixes, and for each the distance to the one before, how many names it has,
// and which.
func libraryTable(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/nyaruka/phonenumbers").Output()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "data", "prefix_to_timezone.xml.gz"))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(raw)
	read := func(into any) {
		if err := binary.Read(r, binary.LittleEndian, into); err != nil {
			t.Fatal(err)
		}
	}
	var size, count uint32
	read(&size)
	text := make([]byte, size)
	read(text)
	names := strings.Split(string(text), "\n")
	read(&count)
	var lines []string
	prefix := uint64(0)
	for range count {
		distance, err := binary.ReadUvarint(r)
		if err != nil {
			t.Fatal(err)
		}
		prefix += distance
		var n uint8
		read(&n)
		zones := make([]string, n)
		for i := range zones {
			var name uint16
			read(&name)
			zones[i] = names[name]
		}
		lines = append(lines, fmt.Sprintf("%d %s", prefix, strings.Join(zones, ",")))
	}
	// By the prefix as text, as the search wants it.
	slices.Sort(lines)
	return "# Time zones by the prefix of a number, from github.com/nyaruka/phonenumbers; made anew by: go test ./internal/gate -update\n" +
		strings.Join(lines, "\n") + "\n"
}

func TestTheTableIsTheLibrarys(t *testing.T) {
	t.Parallel()
	want := libraryTable(t)
	if *update {
		if err := os.WriteFile("zones.txt", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("zones.txt")
	if err != nil || string(got) != want {
		t.Fatalf("zones.txt is not the library's table (%v): run go test ./internal/gate -update, and look at the change", err)
	}
	for line := range strings.Lines(want) {
		prefix, zones, _ := strings.Cut(strings.TrimSpace(line), " ")
		if prefix == "#" {
			continue
		}
		if found, _ := find(prefix); found != zones {
			t.Errorf("find(%s) = %q, the table has %q", prefix, found, zones)
		}
		if len(prefix) > longestPrefix {
			t.Errorf("%s is longer than the longest prefix", prefix)
		}
		for name := range strings.SplitSeq(zones, ",") {
			if _, err := load(name); err != nil {
				t.Errorf("the zone %q of %s: %v", name, prefix, err)
			}
		}
	}
	for _, prefix := range []string{"", "0", "12", "12012", "9", "99999999999", "#", "#zone"} {
		if zones, found := find(prefix); found {
			t.Errorf("find(%s) = %q", prefix, zones)
		}
	}
}

// TestNumbersAsTheLibrarySays compares whole numbers.
func TestNumbersAsTheLibrarySays(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		number := "+" + strconv.FormatUint(1e6+random.Uint64N(1e15-1e6), 10)
		want, err := phonenumbers.GetTimezonesForPrefix(number)
		if err != nil {
			t.Fatal(err)
		}
		if want[0] == phonenumbers.UNKNOWN_TIMEZONE {
			want = nil
		}
		if got := zonesOf(number); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, the library says %v", number, got, want)
		}
	}
}
