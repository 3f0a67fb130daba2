package admin

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// suppressBatch is how many entries go to the queue at a time.
	suppressBatch = 1000
	// maxLooked is how many entries are looked through for the newest; a list of more is shown in part.
	maxLooked = 100_000
	// maxListOffset bounds how far back the list is paged through; further back, an export has it.
	maxListOffset = 10_000
	// maxWrongShown is how many wrong lines a page shows; the API names all.
	maxWrongShown = 1000
)

// What is on record of the lists of those who get nothing.
const (
	actSuppress   = "suppress"
	actUnsuppress = "unsuppress"
	actImport     = "import-suppressed"
	actExport     = "export-suppressed"
	actReveal     = "reveal-suppressed"
)

// Suppressions is what the pages need of the lists of those who get nothing.
type Suppressions interface {
	Suppress(context.Context, []suppress.Entry) (added int, err error)
	Unsuppress(context.Context, message.Channel, message.Address) (bool, error)
	Suppressed(context.Context, message.Channel, message.Address) (*suppress.Entry, error)
	CountSuppressed(context.Context, message.Channel) (int64, error)
	Suppressions(ctx context.Context, channel message.Channel, visit func(suppress.Entry) (enough bool)) error
}

// suppressedAPI serves the lists to programs. Addresses are in bodies, never in what is asked for, which many log.
func (a *Admin) suppressedAPI(r chi.Router) {
	r.Get("/{channel}", a.apiSuppressed)
	r.Post("/check", a.apiCheck)
	r.Post("/add", a.apiSuppress)
	r.Post("/remove", a.apiUnsuppress)
	r.Post("/import", a.apiImport)
	r.Post("/export", a.apiExport)
}

// suppressedPages serves them to people.
func (a *Admin) suppressedPages(r chi.Router) {
	r.Get("/", a.suppressedPage)
	r.Post("/", a.suppressedPage) // looks an address up
	r.Post("/reveal", a.suppressedPage)
	r.Post("/add", a.suppressPage)
	r.Post("/remove", a.unsuppressPage)
	r.Post("/import", a.importPage)
	r.Post("/export", a.exportPage)
}

// listedEntry is an entry, as the pages and the API show it.
type listedEntry struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"address"` // masked, unless it was asked for and allowed
	Why     suppress.Why    `json:"why"`
	Sender  string          `json:"sender,omitempty"`
	By      string          `json:"by,omitempty"`
	Since   time.Time       `json:"since,omitzero"`
}

func listed(e *suppress.Entry, reveal bool) listedEntry {
	out := listedEntry{Channel: e.Channel, Address: e.Address.String(), Why: e.Why, Sender: e.Sender, By: e.By, Since: e.At.UTC()}
	if reveal {
		out.Address = e.Address.Reveal()
	}
	return out
}

// suppressedList is a part of a list, the newest first.
type suppressedList struct {
	Total    int64         `json:"total"`
	Offset   int           `json:"offset"`
	Complete bool          `json:"complete"` // all of the list was looked at for the newest
	Entries  []listedEntry `json:"entries"`
}

// suppressed returns the newest of a list: kept in a hash, it has no order, so all of it is looked at, up to maxLooked.
func (a *Admin) suppressed(ctx context.Context, channel message.Channel, offset int, reveal bool) (*suppressedList, error) {
	if offset < 0 || offset > maxListOffset {
		return nil, refuse("offset is %d: give 0 to %d; an export has all", offset, maxListOffset)
	}
	total, err := a.Queues.CountSuppressed(ctx, channel)
	if err != nil {
		return nil, err
	}
	out := &suppressedList{Total: total, Offset: offset, Complete: true, Entries: []listedEntry{}}
	var newest []suppress.Entry
	keep, looked := offset+pageSize, 0
	trim := func() {
		slices.SortFunc(newest, func(a, b suppress.Entry) int {
			return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Address.Reveal(), b.Address.Reveal()))
		})
		newest = newest[:min(len(newest), keep)]
	}
	err = a.Queues.Suppressions(ctx, channel, func(e suppress.Entry) bool {
		if looked >= maxLooked {
			out.Complete = false
			return true
		}
		looked++
		if newest = append(newest, e); len(newest) >= 2*keep {
			trim()
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	trim()
	for i := offset; i < len(newest); i++ {
		out.Entries = append(out.Entries, listed(&newest[i], reveal))
	}
	return out, nil
}

// change is an address that is put on a list, or taken off it.
type change struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"address"`
	Why     string          `json:"why"` // for the record
}

// read checks what was asked for, and returns the address.
func (a *Admin) read(x *change) (message.Address, error) {
	if _, err := message.ParseChannel(string(x.Channel)); err != nil {
		return "", refuse("%v", err)
	}
	to, err := parseAddress(x.Channel, x.Address, a.Region)
	if err != nil {
		return "", refuse("%v", err)
	}
	return to, nil
}

// mayChange refuses where nothing can be changed.
func (a *Admin) mayChange() error {
	if a.Config.ReadOnly {
		return refuse("ADMIN_READ_ONLY is set: nothing can be changed here")
	}
	return nil
}

// note keeps who changed a list, or saw its addresses.
func (a *Admin) note(ctx context.Context, name string, channel message.Channel, target, why string) {
	a.keep(ctx, queue.AuditEntry{At: time.Now().UTC(), By: operator(ctx), Action: name, Channel: channel, Target: target, Why: clip(why, 200)})
}

// check looks an address up; nil says that it is not on the list.
func (a *Admin) check(ctx context.Context, x *change) (*suppress.Entry, error) {
	to, err := a.read(x)
	if err != nil {
		return nil, err
	}
	return a.Queues.Suppressed(ctx, x.Channel, to)
}

// suppress puts an address on a list; false says that it was there.
func (a *Admin) suppress(ctx context.Context, x *change) (bool, error) {
	if err := a.mayChange(); err != nil {
		return false, err
	}
	to, err := a.read(x)
	if err != nil {
		return false, err
	}
	n, err := a.Queues.Suppress(ctx, []suppress.Entry{{Channel: x.Channel, Address: to, Why: suppress.Operator, By: operator(ctx), At: time.Now()}})
	if n > 0 {
		a.note(ctx, actSuppress, x.Channel, to.String(), x.Why)
	}
	return n > 0, err
}

// unsuppress takes an address off a list; false says that it was not there.
func (a *Admin) unsuppress(ctx context.Context, x *change) (bool, error) {
	if err := a.mayChange(); err != nil {
		return false, err
	}
	to, err := a.read(x)
	if err != nil {
		return false, err
	}
	gone, err := a.Queues.Unsuppress(ctx, x.Channel, to)
	if gone {
		a.note(ctx, actUnsuppress, x.Channel, to.String(), x.Why)
	}
	return gone, err
}

// importResult is what became of a file.
type importResult struct {
	Read    int         `json:"read"` // lines that can be used
	Added   int         `json:"added"`
	Already int         `json:"already"` // were on the list, or twice in the file
	Wrong   []wrongLine `json:"wrong"`
	Done    bool        `json:"imported"`
}

// importFile puts a file's addresses on the lists: all of them, or none when a line is wrong and partial is not asked for.
func (a *Admin) importFile(ctx context.Context, file io.Reader, channel, why string, partial bool) (*importResult, error) {
	if err := a.mayChange(); err != nil {
		return nil, err
	}
	im := importer{channel: message.Channel(channel), region: a.Region, by: operator(ctx), now: time.Now()}
	if channel != "" {
		if _, err := message.ParseChannel(channel); err != nil {
			return nil, refuse("%v", err)
		}
	}
	entries, wrong, err := im.read(file)
	if err != nil {
		return nil, err
	}
	out := &importResult{Read: len(entries), Wrong: wrong}
	if wrong == nil {
		out.Wrong = []wrongLine{}
	}
	if len(entries)+len(wrong) == 0 {
		return nil, refuse("there is no address in the file")
	}
	if len(wrong) > 0 && !partial {
		return out, nil
	}
	slices.SortStableFunc(entries, func(a, b suppress.Entry) int { return cmp.Compare(a.Channel, b.Channel) })
	for len(entries) > 0 {
		of := entries[0].Channel
		end := slices.IndexFunc(entries, func(e suppress.Entry) bool { return e.Channel != of })
		if end < 0 {
			end = len(entries)
		}
		added := 0
		for batch := range slices.Chunk(entries[:end], suppressBatch) {
			var n int
			n, err = a.Queues.Suppress(ctx, batch)
			if added += n; err != nil {
				break
			}
		}
		if added > 0 || err == nil {
			a.note(ctx, actImport, of, fmt.Sprintf("%d of %d addresses were new", added, end), why)
		}
		if out.Added += added; err != nil {
			return nil, err // the same file again adds what is missing
		}
		entries = entries[end:]
	}
	out.Already, out.Done = out.Read-out.Added, true
	return out, nil
}

// mayReveal refuses where addresses stay masked.
func (a *Admin) mayReveal() error {
	if !a.Config.Reveal {
		return refuse("addresses stay masked here: ADMIN_REVEAL is not set")
	}
	return nil
}

// export writes the lists of one channel, or of all, as CSV. What was begun and cannot be ended is cut off, so that nobody takes it for all.
func (a *Admin) export(w http.ResponseWriter, r *http.Request, name, why string) {
	channels := message.Channels
	if name != "" {
		channel, err := message.ParseChannel(name)
		if err != nil {
			a.failed(w, r, refuse("%v", err))
			return
		}
		channels = []message.Channel{channel}
	}
	if err := a.mayReveal(); err != nil {
		a.failed(w, r, err)
		return
	}
	for _, channel := range channels {
		n, err := a.Queues.CountSuppressed(r.Context(), channel)
		if err != nil {
			a.failed(w, r, err)
			return
		}
		a.note(r.Context(), actExport, channel, thousands(n)+" addresses", why)
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="ringup-suppressed.csv"`)
	out := csv.NewWriter(w)
	err := out.Write(exported)
	for _, channel := range channels {
		listErr := a.Queues.Suppressions(r.Context(), channel, func(e suppress.Entry) bool {
			err = errors.Join(err, writeEntry(out, &e))
			return err != nil
		})
		err = errors.Join(err, listErr)
	}
	out.Flush()
	if err = errors.Join(err, out.Error()); err != nil {
		a.Log.Error("the export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
}

// readBody reads a small JSON body. It never quotes it: addresses are in there.
func readBody(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil {
		problem(w, http.StatusBadRequest, "the body is not what the API's description asks for here")
		return false
	}
	return true
}

func (a *Admin) apiSuppressed(w http.ResponseWriter, r *http.Request) {
	channel, offset, err := readPart(chi.URLParam(r, "channel"), r.URL.Query().Get("offset"))
	if err != nil {
		a.failed(w, r, err)
		return
	}
	list, err := a.suppressed(r.Context(), channel, offset, false)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, list)
}

// readPart reads which part of which list is asked for.
func readPart(name, text string) (message.Channel, int, error) {
	channel, err := message.ParseChannel(name)
	if err != nil {
		return "", 0, refuse("%v", err)
	}
	offset := 0
	if text != "" {
		if offset, err = strconv.Atoi(text); err != nil {
			return "", 0, refuse("offset is %q: it has to be a number", text)
		}
	}
	return channel, offset, nil
}

func (a *Admin) apiCheck(w http.ResponseWriter, r *http.Request) {
	var x change
	if !readBody(w, r, &x) {
		return
	}
	e, err := a.check(r.Context(), &x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	out := struct {
		Suppressed bool         `json:"suppressed"`
		Entry      *listedEntry `json:"entry,omitempty"`
	}{Suppressed: e != nil}
	if e != nil {
		shown := listed(e, false)
		out.Entry = &shown
	}
	answer(w, out)
}

func (a *Admin) apiSuppress(w http.ResponseWriter, r *http.Request) {
	a.apiChange(w, r, a.suppress)
}

func (a *Admin) apiUnsuppress(w http.ResponseWriter, r *http.Request) {
	a.apiChange(w, r, a.unsuppress)
}

func (a *Admin) apiChange(w http.ResponseWriter, r *http.Request, do func(context.Context, *change) (bool, error)) {
	var x change
	if !readBody(w, r, &x) {
		return
	}
	changed, err := do(r.Context(), &x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, map[string]any{"channel": x.Channel, "changed": changed})
}

func (a *Admin) apiImport(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	result, err := a.importFile(r.Context(), http.MaxBytesReader(w, r.Body, maxImportBytes), q.Get("channel"), q.Get("why"), q.Get("partial") == "true")
	if err != nil {
		a.importFailed(w, r, err)
		return
	}
	if result.Done {
		answer(w, result)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
		"title": http.StatusText(http.StatusUnprocessableEntity), "status": http.StatusUnprocessableEntity, "wrong": result.Wrong,
		"detail": some(len(result.Wrong), "wrong line") + ": nothing was imported",
	})
}

// importFailed answers why a file was not read.
func (a *Admin) importFailed(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		a.fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the file is larger than %d MiB: import it in parts", maxImportBytes>>20))
		return
	}
	a.failed(w, r, err)
}

func (a *Admin) apiExport(w http.ResponseWriter, r *http.Request) {
	var x struct {
		Channel string `json:"channel"`
		Why     string `json:"why"`
	}
	if readBody(w, r, &x) {
		a.export(w, r, x.Channel, x.Why)
	}
}

// suppressedView is a list on its page.
type suppressedView struct {
	*suppressedList
	Channel             message.Channel
	Channels            []channelCount
	From, To            int
	Previous, Following string // offsets, "" for none
	Revealed, MayReveal bool

	Asked  string       // the address that was looked up
	Found  *listedEntry // its entry; nil when it is not there
	Advice string       // before it is taken off
	Import *importResult
	Wrong  []wrongLine // of Import, as many as are shown
}

type channelCount struct {
	Name  message.Channel
	Count int64
}

// whyNames are the reasons, as a person reads them.
var whyNames = map[suppress.Why]string{
	suppress.StopWord: "answered STOP", suppress.Unsubscribe: "unsubscribed", suppress.Complaint: "reported spam", suppress.HardBounce: "the address does not work",
	suppress.Refused: "their provider refuses", suppress.OptOutList: "on the provider's own list", suppress.Operator: "put here by hand", suppress.Import: "from a file",
}

// advice says what to think of before an address is taken off.
var advice = map[suppress.Why]string{
	suppress.StopWord:    "They said so themselves. Take them off only when they have asked for messages again; their provider may go on refusing until they answer START.",
	suppress.Unsubscribe: "They said so themselves. Take them off only when they have asked for messages again.",
	suppress.Complaint:   "They reported an e-mail as spam. Another one harms the shop's standing with every mailbox of that provider.",
	suppress.HardBounce:  "The address did not exist, or refused for good. Take it off when it was a mistake that has been mended.",
	suppress.Refused:     "Their provider refuses to send to them, and will put them back here until they answer START, or unblock the shop.",
	suppress.OptOutList:  "They are on the provider's own list, and come back with it (OPT_OUT_SYNC). Take them off there.",
}

// suppressedPage shows a list: as it is, with addresses in full where that is allowed and asked for, or with what an address that was asked for has.
func (a *Admin) suppressedPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	reveal := strings.HasSuffix(r.URL.Path, "/reveal")
	if reveal {
		if err := a.mayReveal(); err != nil {
			a.fail(w, r, http.StatusForbidden, err.Error())
			return
		}
	}
	v, err := a.suppressedView(r.Context(), or(r.FormValue("channel"), string(message.SMS)), r.FormValue("offset"), reveal)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	p := page{}
	switch {
	case reveal:
		a.note(r.Context(), actReveal, v.Channel, fmt.Sprintf("%d to %d of the list", v.From, v.To), "")
	case r.Method == http.MethodPost:
		x := change{Channel: v.Channel, Address: r.PostFormValue("address")}
		e, err := a.check(r.Context(), &x)
		if isRefusal(err) {
			p.Problem = err.Error()
		} else if err != nil {
			a.failed(w, r, err)
			return
		} else if v.Asked = strings.TrimSpace(x.Address); e != nil {
			found := listed(e, false)
			v.Found, v.Advice = &found, advice[e.Why]
		}
	}
	a.showSuppressed(w, r, p, v)
}

func (a *Admin) suppressedView(ctx context.Context, name, offset string, reveal bool) (*suppressedView, error) {
	channel, from, err := readPart(name, offset)
	if err != nil {
		return nil, err
	}
	list, err := a.suppressed(ctx, channel, from, reveal)
	if err != nil {
		return nil, err
	}
	v := &suppressedView{suppressedList: list, Channel: channel, From: from + 1, To: from + len(list.Entries), Revealed: reveal, MayReveal: a.Config.Reveal}
	for _, one := range message.Channels {
		n, err := a.Queues.CountSuppressed(ctx, one)
		if err != nil {
			return nil, err
		}
		v.Channels = append(v.Channels, channelCount{one, n})
	}
	if from > 0 {
		v.Previous = strconv.Itoa(max(0, from-pageSize))
	}
	if len(list.Entries) == pageSize && int64(v.To) < list.Total && from+pageSize <= maxListOffset {
		v.Following = strconv.Itoa(from + pageSize)
	}
	return v, nil
}

func (a *Admin) showSuppressed(w http.ResponseWriter, r *http.Request, p page, v *suppressedView) {
	p.Title, p.Section, p.Data = "Who gets nothing", "suppressed", v
	a.page(w, r, http.StatusOK, "suppressed", p)
}

// changed leads back to a list, with what was done to it.
func (a *Admin) changed(w http.ResponseWriter, r *http.Request, channel message.Channel, done string) {
	q := url.Values{"channel": {string(channel)}, "done": {done}}
	http.Redirect(w, r, "/admin/suppressed?"+q.Encode(), http.StatusSeeOther)
}

func (a *Admin) suppressPage(w http.ResponseWriter, r *http.Request) {
	a.changePage(w, r, a.suppress, "The address gets nothing on %s any more.", "The address was on the list of %s already.")
}

func (a *Admin) unsuppressPage(w http.ResponseWriter, r *http.Request) {
	a.changePage(w, r, a.unsuppress, "The address gets messages on %s again.", "The address was not on the list of %s.")
}

func (a *Admin) changePage(w http.ResponseWriter, r *http.Request, do func(context.Context, *change) (bool, error), done, before string) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	x := change{Channel: message.Channel(r.PostFormValue("channel")), Address: r.PostFormValue("address"), Why: r.PostFormValue("why")}
	did, err := do(r.Context(), &x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	if !did {
		done = before
	}
	a.changed(w, r, x.Channel, fmt.Sprintf(done, x.Channel))
}

func (a *Admin) importPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxImportBytes+64<<10)
	if err := r.ParseMultipartForm(1 << 20); err != nil { //nolint:gosec // bounded by the line above
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			a.importFailed(w, r, err)
			return
		}
		a.failed(w, r, refuse("this is no form"))
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	file, err := importedFile(r)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	defer func() { _ = file.Close() }()
	name := or(r.PostFormValue("channel"), string(message.SMS))
	result, err := a.importFile(r.Context(), file, name, r.PostFormValue("why"), r.PostFormValue("partial") == "true")
	if err != nil {
		a.importFailed(w, r, err)
		return
	}
	if result.Done && len(result.Wrong) == 0 {
		a.changed(w, r, message.Channel(name), fmt.Sprintf("%s added; on the list already: %s.", some(result.Added, "address"), thousands(int64(result.Already))))
		return
	}
	v, err := a.suppressedView(r.Context(), name, "", false)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	v.Import, v.Wrong = result, result.Wrong[:min(len(result.Wrong), maxWrongShown)]
	p := page{Problem: some(len(result.Wrong), "wrong line") + ": nothing was imported."}
	if result.Done {
		p.Problem = some(result.Added, "address") + " added; " + some(len(result.Wrong), "wrong line") + " left out."
	}
	a.showSuppressed(w, r, p, v)
}

// some counts things, in the plural where there is not one.
func some(n int, what string) string {
	plural := "s"
	if strings.HasSuffix(what, "s") {
		plural = "es"
	}
	if n == 1 {
		plural = ""
	}
	return thousands(int64(n)) + " " + what + plural
}

// importedFile is the file of a form, or what was typed in its place.
func importedFile(r *http.Request) (io.ReadCloser, error) {
	file, _, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) {
		return io.NopCloser(strings.NewReader(r.PostFormValue("text"))), nil
	}
	if err != nil {
		return nil, refuse("the file cannot be read")
	}
	if typed := r.PostFormValue("text"); strings.TrimSpace(typed) != "" {
		_ = file.Close()
		return io.NopCloser(strings.NewReader(typed)), nil
	}
	return file, nil
}

func (a *Admin) exportPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	a.export(w, r, r.PostFormValue("channel"), r.PostFormValue("why"))
}
