package value

import (
	"archive/zip"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write zones.txt")

// abbreviation is a line of Go's table of the CLDR's names.
var abbreviation = regexp.MustCompile(`(?m)^\t"([^"]+)": +\{.*\}, *// ([A-Za-z0-9_/+-]+)$`)

// table makes zones.txt of what comes with Go: the IANA names of its copy of the tz database, and the names of Windows with the zone that the CLDR
// has for each (territory 001).
func table(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(out))
	archive, err := zip.OpenReader(filepath.Join(root, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	var lines []string
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "/") && file.Name != "Factory" { // which says that no zone was set
			lines = append(lines, strings.ToLower(file.Name)+"\t"+file.Name+"\n")
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "src", "time", "zoneinfo_abbrs_windows.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range abbreviation.FindAllStringSubmatch(string(source), -1) {
		if match[1] != "UTC" {
			lines = append(lines, strings.ToLower(match[1])+"\t"+match[2]+"\n")
		}
	}
	slices.Sort(lines)
	return "# The names of time zones; made anew by: go test ./internal/value -update\n" + strings.Join(lines, "")
}

// TestTheTableIsGos: a newer Go may have newer names.
func TestTheTableIsGos(t *testing.T) {
	t.Parallel()
	want := table(t)
	if *update {
		if err := os.WriteFile("zones.txt", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("zones.txt")
	if err != nil || string(got) != want {
		t.Fatalf("zones.txt is not Go's table (%v): run go test ./internal/value -update, and look at the change", err)
	}
	names := 0
	for line := range strings.Lines(want) {
		name, iana, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found {
			continue
		}
		names++
		if len(name) > maxZoneName {
			t.Errorf("%q is longer than %d bytes", name, maxZoneName)
		}
		for _, text := range []string{name, strings.ToUpper(name), " " + name + "\n"} {
			if got, ok := Zone(text); !ok || got != iana {
				t.Errorf("%q: %q, %t", text, got, ok)
			}
		}
		if _, err := time.LoadLocation(iana); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names < 700 {
		t.Errorf("%d names", names)
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Asia/Tokyo": "Asia/Tokyo", "asia/tokyo": "Asia/Tokyo", " AMERICA/PORT-AU-PRINCE ": "America/Port-au-Prince", "utc": "UTC", "Z": "UTC",
		"Tokyo Standard Time": "Asia/Tokyo", "America/New York": "America/New_York", "edt": "America/New_York", "CEST": "Europe/Berlin", "JST": "Asia/Tokyo", "w. europe standard time": "Europe/Berlin", "Eastern Standard Time": "America/New_York",
		"India Standard Time": "Asia/Calcutta", "(UTC+09:00) Osaka, Sapporo, Tokyo": "Etc/GMT-9", "(GMT-05:00) Eastern Time (US & Canada)": "Etc/GMT+5",
		"(UTC) Coordinated Universal Time": "UTC", "(UTC+00:00) Dublin": "UTC",
		"+09:00": "Etc/GMT-9", "+0900": "Etc/GMT-9", "+09": "Etc/GMT-9", "+9": "Etc/GMT-9", "-5": "Etc/GMT+5", "UTC+9": "Etc/GMT-9", "gmt-03:00": "Etc/GMT+3",
		"+9:30": "Australia/Darwin", "UTC+05:30": "Asia/Kolkata", "+0545": "Asia/Kathmandu", "+00:00": "UTC", "-00:00": "UTC", "+14:00": "Etc/GMT-14",
		"-12:00": "Etc/GMT+12", "gmt": "GMT",
	} {
		if got, ok := Zone(text); !ok || got != want {
			t.Errorf("%q: %q, %t; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "Local", "local", "Factory", "here", "PST", "+24:00", "+15:00", "-13:00", "+09:60", "+05:15", "9", "++9", "+", "UTC+", "()", "(",
		"../etc/passwd", "Asia", "Asia/", "+١٢", strings.Repeat("Asia/Tokyo", 1000), "(UTC+99:00)", "\x00", "asia/tokyo\tAsia/Tokyo\nasia/tomsk"} {
		if got, ok := Zone(text); ok || got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestDistances: what stands for a distance from UTC is at that distance for a part of the year at least.
func TestDistances(t *testing.T) {
	t.Parallel()
	found := 0
	for minutes := -24 * 60; minutes <= 24*60; minutes++ {
		sign, n := "+", minutes
		if minutes < 0 {
			sign, n = "-", -minutes
		}
		iana, ok := Zone(sign + twoDigits(n/60) + ":" + twoDigits(n%60))
		if !ok {
			continue
		}
		found++
		zone, err := time.LoadLocation(iana)
		if err != nil {
			t.Fatal(err)
		}
		at := false
		for _, month := range []time.Month{time.January, time.July} {
			_, offset := time.Date(2026, month, 1, 0, 0, 0, 0, zone).Zone()
			at = at || offset == 60*minutes
		}
		if !at {
			t.Errorf("%d minutes: %s is never there", minutes, iana)
		}
	}
	if want := 27 + len(quarters); found != want {
		t.Errorf("%d distances, want %d", found, want)
	}
}

func twoDigits(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
