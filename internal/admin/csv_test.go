package admin

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// line is an entry in one line.
func line(e suppress.Entry) string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s %s %s", e.Channel, e.Address.Reveal()+e.Name+e.Masked, e.Why, e.At.UTC().Format(time.DateOnly), strings.Join(append([]string{e.Sender}, e.Also...), " ")), " ")
}

func TestReadImport(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, channel, file string
		entries, wrong      []string
	}{
		{"addresses alone", "sms", "+12025550143\n\n(202) 555-0199\n", []string{"sms +12025550143 import 2026-01-31", "sms +12025550199 import 2026-01-31"}, nil},
		{"an e-mail address shows its channel, a number does not", "", "jane@example.com\n+12025550143\n", []string{"email jane@example.com import 2026-01-31"}, []string{"2: a number without a channel: is it sms or whatsapp?"}},
		{"without names of columns", "", "whatsapp,+12025550143\nemail,jane@example.com,unsubscribe,ignored\n",
			[]string{"whatsapp +12025550143 import 2026-01-31", "email jane@example.com unsubscribe 2026-01-31"}, nil},
		{"with names, in any order, and others between", "", "\ufeffSince,Address,name,CHANNEL,why,sender\r\n2025-12-24T18:00:00Z,+12025550143,Jane,SMS,STOP,MG1\r\n,jane@example.com,,,,\r\n",
			[]string{"sms +12025550143 stop 2025-12-24 MG1", "email jane@example.com import 2026-01-31"}, nil},
		{"semicolons, as where the comma is the decimal point", "", "channel;address\nsms;+12025550143\n", []string{"sms +12025550143 import 2026-01-31"}, nil},
		{"tabs", "", "sms\t+12025550143\n", []string{"sms +12025550143 import 2026-01-31"}, nil},
		{"escaped by an export", "", "sms,'+12025550143\nemail,'=jane@example.com\n", []string{"sms +12025550143 import 2026-01-31", "email =jane@example.com import 2026-01-31"}, nil},
		{"every line that is wrong", "", "sms,+1\nfax,+12025550143\nsms,\nemail,jane\nsms,+12025550143,bored\nsms,+12025550143\n\"sms,+1", []string{"sms +12025550143 import 2026-01-31"},
			[]string{"1: not a phone number: use + and 7 to 15 digits, or a valid number of the default region with its area code", "2: the channel is not one of sms, email, whatsapp", "3: there is no address", "4: not an e-mail address",
				"5: why is not one of stop, unsubscribe, complaint, hard_bounce, refused, opt_out_list, operator, import", "7: not CSV: extraneous or missing \" in quoted-field"}},
		{"a time in the future, and an invalid one", "", "address,since,channel\n+12025550143,2036-01-01T00:00:00Z,sms\n+12025550143,yesterday,sms\n", nil,
			[]string{"2: since is not a time in the past, as 2026-01-31T12:00:00Z", "3: since is not a time in the past, as 2026-01-31T12:00:00Z"}},
		{"an export", "", "channel,address,key,why\nsms,'+•••0143,abc,stop\nemail,jane@example.com,abc,\nemail,j•••@example.com,,\n",
			[]string{"sms abc+•••0143 stop 2026-01-31", "email abcj•••@example.com import 2026-01-31"}, []string{"4: not an e-mail address"}},
		{"nothing", "sms", "\n\n", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			im := importer{channel: message.Channel(tt.channel), region: "US", by: "ann", now: noon}
			entries, wrong, err := im.read(strings.NewReader(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			var got, problems []string
			for _, e := range entries {
				got = append(got, line(e))
				if by := map[bool]string{true: "ann"}[e.Why == suppress.Import]; e.By != by {
					t.Errorf("%s by %q", e.Why, e.By)
				}
			}
			for _, w := range wrong {
				problems = append(problems, fmt.Sprintf("%d: %s", w.Line, w.Problem))
			}
			if strings.Join(got, "\n") != strings.Join(tt.entries, "\n") {
				t.Errorf("entries\n%s", strings.Join(got, "\n"))
			}
			if strings.Join(problems, "\n") != strings.Join(tt.wrong, "\n") {
				t.Errorf("wrong\n%s", strings.Join(problems, "\n"))
			}
		})
	}
}

func TestImportIsBounded(t *testing.T) {
	t.Parallel()
	im := importer{channel: message.SMS, region: "US", now: noon}
	if _, _, err := im.read(strings.NewReader(strings.Repeat("+12025550143\n", maxImportLines+2))); !Refused(err) {
		t.Errorf("a file with too many lines: %v", err)
	}
}

// TestExportIsReadBack: no cell of an export is a formula, whatever an address or a name is like, and an import reads it as it was.
func TestExportIsReadBack(t *testing.T) {
	t.Parallel()
	var all []suppress.Entry
	for name, masked := range map[string]string{"-cmd": "+•••0143", "a-_b": "•••0143", "AAAA": "j•••@example.com", "----": "7•••@mail-2.example.co.uk", "'+x": "•••@example.com", "=1+1": "•••"} {
		channel := message.Email
		if masked[0] == '+' {
			channel = message.SMS
		}
		all = append(all, suppress.Entry{Channel: channel, Name: name, Masked: masked, Why: suppress.StopWord, Sender: "MG1", Also: []string{"+15005550006"}, By: "@SUM(A1)", At: noon, OptedIn: noon.Add(time.Hour)})
	}
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	if err := w.Write(exported); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if err := writeEntry(w, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	lines, err := csv.NewReader(bytes.NewReader(file.Bytes())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		for _, cell := range line {
			if strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %s", cell)
			}
		}
	}
	im := importer{region: "US", now: noon.AddDate(0, 1, 0)}
	entries, wrong, err := im.read(&file)
	if err != nil || len(wrong) != 0 || len(entries) != len(all) {
		t.Fatalf("%d entries, %v, %v", len(entries), wrong, err)
	}
	for i := range entries {
		if line(entries[i]) != line(all[i]) || entries[i].By != all[i].By || !entries[i].OptedIn.Equal(all[i].OptedIn) {
			t.Errorf("%+v came back as %+v", all[i], entries[i])
		}
	}
}

// FuzzImport: each line of a file is counted once, whatever is in it, and no error has an address in it.
func FuzzImport(f *testing.F) {
	f.Add("channel,address\nsms,+12025550143\n")
	f.Add("\ufeff\"a\nb\";c\n")
	f.Add("channel,address,key\nsms,+12025550143,x\nemail,j•••@example.com,y\n")
	f.Fuzz(func(t *testing.T, file string) {
		im := importer{region: "US", now: noon}
		entries, wrong, err := im.read(strings.NewReader(file))
		if err != nil {
			return
		}
		if n := strings.Count(file, "\n") + strings.Count(file, "\r") + 1; len(entries)+len(wrong) > n {
			t.Errorf("%d entries of %d lines", len(entries)+len(wrong), n)
		}
		for _, e := range entries {
			if e.Name != "" {
				if !mask.MatchString(e.Masked) {
					t.Errorf("%q is no mask", e.Masked)
				}
				continue
			}
			if again, err := address.Possible(e.Channel, e.Address.Reveal(), "US"); err != nil || again != e.Address {
				t.Errorf("%q is no address: %v", e.Address.Reveal(), err)
			}
		}
		for _, w := range wrong {
			if strings.Contains(w.Problem, "@") || w.Line < 1 {
				t.Errorf("line %d: %s", w.Line, w.Problem)
			}
		}
	})
}

// TestHostileFiles: no file of the largest size becomes many times that in memory, and what is named of it is bounded.
func TestHostileFiles(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	for name, tt := range map[string]struct {
		file    string
		refused string // in the refusal; "" for none
	}{
		"commas alone": {strings.Repeat(",", MaxImportBytes), "a line"}, "separators alone": {"a;b\n" + strings.Repeat(";", MaxImportBytes), "a line"},
		"no end of a line": {strings.Repeat("1", MaxImportBytes), "a line"}, "an open quote": {`"` + strings.Repeat("x\n", MaxImportBytes/2-1), ""},
		"quotes in every line": {strings.Repeat("1\"\n", MaxImportBytes/3), "more than 100000 lines"}, "wrong lines": {strings.Repeat("sms,\n", MaxImportBytes/5), "more than 100000 lines"},
	} {
		im := importer{channel: message.SMS, region: "US", now: noon}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, wrong, err := im.read(strings.NewReader(tt.file))
		runtime.ReadMemStats(&after)
		if (tt.refused != "") != Refused(err) || err != nil && !strings.Contains(err.Error(), tt.refused) || len(wrong) > 1 {
			t.Errorf("%s: %d wrong lines, %v", name, len(wrong), err)
		}
		if size := after.TotalAlloc - before.TotalAlloc; tt.refused == "a line" && size > 4<<20 {
			t.Errorf("%s: %d KiB of memory", name, size>>10)
		}
	}
}

// TestCellsOfAnExport: a cell that a spreadsheet would run gets an apostrophe, in every form of the characters, and comes back without.
func TestCellsOfAnExport(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching("[=+\\-@\t\r\n＝＋－＠'a]{0,4}").Draw(t, "text")
		cell := toCell(text)
		if strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 || fromCell(cell) != text {
			t.Fatalf("%q is written as %q and read as %q", text, cell, fromCell(cell))
		}
	})
}
