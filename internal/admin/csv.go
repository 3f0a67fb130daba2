package admin

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// reasons are the values of the column why.
var reasons = []suppress.Why{
	suppress.StopWord, suppress.Unsubscribe, suppress.Complaint, suppress.HardBounce, suppress.Refused, suppress.OptOutList, suppress.Operator, suppress.Import,
}

// columns says in which column of a file a field stands; -1 for a field that is missing.
type columns struct{ channel, address, key, why, sender, by, since, optedIn int }

// readHeader reads the names of columns; false when the line has no column called address.
func readHeader(fields []string) (columns, bool) {
	find := func(name string) int {
		return slices.IndexFunc(fields, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), name) })
	}
	c := columns{channel: find("channel"), address: find("address"), key: find("key"), why: find("why"), sender: find("sender"), by: find("by"), since: find("since"), optedIn: find("opted_in")}
	return c, c.address >= 0
}

// layout is the columns of a line of a file without names: an address; or a channel, an address and perhaps why.
func layout(fields int) columns {
	switch fields {
	case 1:
		return columns{-1, 0, -1, -1, -1, -1, -1, -1}
	case 2:
		return columns{0, 1, -1, -1, -1, -1, -1, -1}
	}
	return columns{0, 1, -1, 2, -1, -1, -1, -1}
}

// importer reads a file of addresses.
type importer struct {
	channel message.Channel // of lines that name none; "": the address shows it
	region  string
	by      string
	now     time.Time
}

// maxImportLine bounds a line, in bytes: one of commas alone has a field for each.
const maxImportLine = 16 << 10

var errLongLine = errors.New("a line is too long")

// lines reads a file, up to a line that is too long: errLongLine.
type lines struct {
	file io.Reader
	size int // of the line so far
}

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	n, err := l.file.Read(p)
	for _, b := range p[:n] {
		if l.size++; b == '\n' {
			l.size = 0
		}
		if l.size > maxImportLine {
			_, err := io.Copy(io.Discard, l.file) // a file that is too large says so first
			return 0, cmp.Or(err, errLongLine)
		}
	}
	return n, err
}

// csvReader reads a file with or without a byte order mark, and separated as its first line is.
func csvReader(file io.Reader) *csv.Reader {
	text := bufio.NewReader(&lines{file: file})
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = text.Discard(len(mark)) // it was peeked at
	}
	r := csv.NewReader(text)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = -1, true, true
	start, _ := text.Peek(text.Size()) // less, at the end of a short file
	first, _, _ := strings.Cut(string(start), "\n")
	for _, separator := range ";\t" {
		if strings.ContainsRune(first, separator) && !strings.Contains(first, ",") {
			r.Comma = separator
		}
	}
	return r
}

// read returns a file's entries, and every line that is wrong. Empty lines are passed over. Errors: *http.MaxBytesError; a refusal of a file that
// has too many lines or cannot be read.
func (im *importer) read(file io.Reader) (entries []suppress.Entry, wrong []WrongLine, err error) {
	r := csvReader(file)
	var header *columns
	for n := 0; ; n++ {
		fields, err := r.Read()
		var parse *csv.ParseError
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return entries, wrong, nil
		case n > maxImportLines:
			return nil, nil, refuse("the file has more than %d lines: import it in parts", maxImportLines)
		case errors.Is(err, errLongLine):
			return nil, nil, refuse("a line of the file has more than %d bytes", maxImportLine)
		case errors.As(err, &parse):
			wrong = append(wrong, WrongLine{parse.Line, "not CSV: " + parse.Err.Error()})
			continue
		case errors.As(err, &large):
			return nil, nil, err
		case err != nil:
			return nil, nil, refuse("the file cannot be read to its end")
		}
		line, _ := r.FieldPos(0)
		if n == 0 {
			if c, is := readHeader(fields); is {
				header = &c
				continue
			}
		}
		c := layout(len(fields))
		if header != nil {
			c = *header
		}
		entry, err := im.entry(fields, c)
		if err != nil {
			wrong = append(wrong, WrongLine{line, err.Error()})
			continue
		}
		entries = append(entries, entry)
	}
}

// entry reads one line. Its errors do not quote the address.
func (im *importer) entry(fields []string, c columns) (suppress.Entry, error) {
	field := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return strings.TrimSpace(fromCell(strings.TrimSpace(fields[i])))
	}
	e := suppress.Entry{Why: suppress.Import, By: clip(field(c.by), 200), At: im.now}
	if accounts := config.NonEmpty(strings.Split(clip(field(c.sender), 1000), accountMark)); len(accounts) > 0 {
		e.Sender, e.Also = accounts[0], accounts[1:]
	}
	raw := field(c.address)
	e.Name = field(c.key)
	if raw == "" && e.Name == "" {
		return e, errors.New("there is no address")
	}
	var err error
	if e.Channel, err = im.channelOf(strings.ToLower(field(c.channel)), raw); err != nil {
		return e, err
	}
	if e.Name != "" {
		e.Masked = masked(raw)
	} else if e.Address, err = address.Possible(e.Channel, raw, im.region); err != nil {
		return e, err
	}
	if why := suppress.Why(strings.ToLower(field(c.why))); why != "" {
		if !slices.Contains(reasons, why) {
			return e, fmt.Errorf("why is not one of %s", reasonList())
		}
		e.Why = why
	}
	if e.By == "" && (e.Why == suppress.Import || e.Why == suppress.Operator) {
		e.By = im.by // of a person's word nobody knows the source
	}
	if err := im.past("since", field(c.since), &e.At); err != nil {
		return e, err
	}
	return e, im.past("opted_in", field(c.optedIn), &e.OptedIn)
}

// past reads a time into at, unless the text is empty.
func (im *importer) past(column, text string, at *time.Time) error {
	if text == "" {
		return nil
	}
	read, err := time.Parse(time.RFC3339, text)
	if err != nil || read.After(im.now.Add(time.Hour)) || read.Year() < 1970 {
		return fmt.Errorf("%s is not a time in the past, as 2026-01-31T12:00:00Z", column)
	}
	*at = read
	return nil
}

// mask has the forms of message.Mask.
var mask = regexp.MustCompile(`^(\+?•••[0-9]{4}|[\pL\pN]?•••@[A-Za-z0-9.-]+|•••)$`)

// masked returns the masked address of an export, and masks any other text.
func masked(text string) string {
	if mask.MatchString(text) {
		return clip(text, message.MaxAddress)
	}
	return message.Mask(text)
}

// channelOf returns the channel of a line: the one it names, the import's, or the one that its address shows.
func (im *importer) channelOf(name, written string) (message.Channel, error) {
	switch {
	case name != "":
		channel, err := message.ParseChannel(name)
		if err != nil {
			return "", errors.New("the channel is not one of sms, email, whatsapp")
		}
		return channel, nil
	case im.channel != "":
		return im.channel, nil
	case strings.Contains(written, "@"):
		return message.Email, nil
	}
	return "", errors.New("a number without a channel: is it sms or whatsapp?")
}

func reasonList() string {
	names := make([]string, len(reasons))
	for i, r := range reasons {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// exported are the names of an export's columns: address is masked, and key stands for the person. An import reads all.
var exported = []string{"channel", "address", "key", "why", "sender", "by", "since", "opted_in"}

// accountMark stands between the names of a sender account.
const accountMark = "|"

// formula are the characters with which a spreadsheet takes a cell for a formula (OWASP, CSV injection), also in their wide forms. Such a cell gets an apostrophe before it,
// and so does one that begins with an apostrophe, so that an export is read back as it was.
const formula = "=+-@\t\r\n＝＋－＠'"

// beginsAsFormula says that a text begins with one of them.
func beginsAsFormula(text string) bool { return text != "" && strings.IndexAny(text, formula) == 0 }

// toCell makes a text one that no spreadsheet runs.
func toCell(text string) string {
	if beginsAsFormula(text) {
		return "'" + text
	}
	return text
}

// fromCell takes away what toCell added.
func fromCell(text string) string {
	if rest, found := strings.CutPrefix(text, "'"); found && beginsAsFormula(rest) {
		return rest
	}
	return text
}

// writeEntry writes an entry of an export.
func writeEntry(w *csv.Writer, e *suppress.Entry) error {
	accounts, optedIn := strings.Join(append([]string{e.Sender}, e.Also...), accountMark), ""
	if !e.OptedIn.IsZero() {
		optedIn = e.OptedIn.UTC().Format(time.RFC3339)
	}
	return w.Write([]string{string(e.Channel), toCell(e.Masked), toCell(e.Name), toCell(string(e.Why)), toCell(accounts), toCell(e.By), e.At.UTC().Format(time.RFC3339), optedIn})
}
