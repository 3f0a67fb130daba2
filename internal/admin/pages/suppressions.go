package pages

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// maxWrongShown is how many wrong lines of an import a page shows; the API returns all.
const maxWrongShown = 1000

// suppressionsView is the list of a channel.
type suppressionsView struct {
	*admin.Suppressions
	Channel             message.Channel
	Channels            []admin.SuppressionCount
	From, To            int
	Previous, Following string // offsets, "" for none
	MayReveal           bool   // and so export

	Asked string              // the address that was looked up
	Found []admin.Suppression // its entries; none when it is not on the list
	// Blocked says that an operator has put it there, which no opt-in lifts.
	Blocked bool
	Import  *admin.ImportResult
	Wrong   []admin.WrongLine // of Import, as many as are shown
}

// whyNames are the reasons as people read them.
var whyNames = map[suppress.Why]string{
	suppress.StopWord: "answered STOP", suppress.Unsubscribe: "unsubscribed", suppress.Complaint: "reported spam", suppress.HardBounce: "the address does not work",
	suppress.Refused: "refused by the provider", suppress.OptOutList: "on the provider's own list", suppress.Operator: "added by an operator", suppress.Import: "from a file",
}

// advice is what to think of before an address is taken off the list.
var advice = map[suppress.Why]string{
	suppress.StopWord:    "The recipient opted out. Take the address off only when they have asked for messages again. Their provider may go on refusing until they answer START.",
	suppress.Unsubscribe: "The recipient opted out. Take the address off only when they have asked for messages again.",
	suppress.Complaint:   "The recipient reported an e-mail as spam. Another one harms the shop's standing with every mailbox of that provider.",
	suppress.HardBounce:  "The address did not exist, or refused for good. Take it off when it was a mistake that has been corrected.",
	suppress.Refused:     "The provider refuses to send to the address, and puts it back on the list until the recipient answers START or unblocks the shop.",
	suppress.OptOutList:  "The address is on the provider's own list, and comes back with it (OPT_OUT_SYNC). Take it off there.",
}

// suppressions is the list as it is.
func (p *pages) suppressions(w http.ResponseWriter, r *http.Request) {
	v, err := p.viewSuppressions(r)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.showSuppressions(w, r, page{}, v)
}

// checkSuppressed is the list, with the entry of an address that was looked up.
func (p *pages) checkSuppressed(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v, err := p.viewSuppressions(r)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	x := admin.SuppressionChange{Channel: v.Channel, Address: form.Get("address")}
	at := page{}
	check, err := p.CheckSuppressed(r.Context(), &x)
	switch {
	case admin.Refused(err):
		at.Problem = err.Error()
	case err != nil:
		p.failed(w, r, err)
		return
	default:
		v.Asked, v.Found = strings.TrimSpace(x.Address), check.Entries
		v.Blocked = slices.ContainsFunc(v.Found, func(e admin.Suppression) bool { return e.Why == suppress.Operator })
	}
	p.showSuppressions(w, r, at, v)
}

// viewSuppressions reads which channel's list is asked for, sms where the request names none, and from which offset on; and lists it.
func (p *pages) viewSuppressions(r *http.Request) (*suppressionsView, error) {
	channel, offset, err := admin.ParseOffset(cmp.Or(r.FormValue("channel"), string(message.SMS)), r.FormValue("offset"))
	if err != nil {
		return nil, err
	}
	entries, err := p.Suppressions(r.Context(), channel, offset)
	if err != nil {
		return nil, err
	}
	counts, err := p.SuppressionCounts(r.Context())
	if err != nil {
		return nil, err
	}
	v := &suppressionsView{Suppressions: entries, Channel: channel, Channels: counts, MayReveal: p.CanReveal(r.Context())}
	if v.From, v.To, v.Previous, v.Following = part(offset, len(entries.Entries), entries.Total); offset+admin.PageSize > admin.MaxOffset {
		v.Following = ""
	}
	return v, nil
}

func (p *pages) showSuppressions(w http.ResponseWriter, r *http.Request, at page, v *suppressionsView) {
	at.Title, at.Section, at.Data = "Suppressions", "suppressions", v
	p.show(w, r, http.StatusOK, "suppressions", at)
}

// changed leads back to the list, and tells of the change.
func (p *pages) changed(w http.ResponseWriter, r *http.Request, o outcome) {
	q := url.Values{"channel": {string(o.channel)}, "done": {o.String()}}
	http.Redirect(w, r, "/admin/suppressed?"+q.Encode(), http.StatusSeeOther)
}

func (p *pages) suppress(w http.ResponseWriter, r *http.Request) {
	p.change(w, r, p.Suppress, doneSuppressed, doneSuppressedSame)
}

func (p *pages) unsuppress(w http.ResponseWriter, r *http.Request) {
	p.change(w, r, p.Unsuppress, doneUnsuppressed, doneUnsuppressedNot)
}

func (p *pages) change(w http.ResponseWriter, r *http.Request, do func(context.Context, *admin.SuppressionChange) (bool, error), changed, unchanged string) {
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	x := admin.SuppressionChange{Channel: message.Channel(form.Get("channel")), Address: form.Get("address"), Why: form.Get("why"),
		Only: suppress.Selection{Why: suppress.Why(form.Get("reason")), Sender: form.Get("sender"), By: form.Get("by")}}
	did, err := do(r.Context(), &x)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	switch {
	case !did:
		changed = unchanged
	case x.Only != (suppress.Selection{}):
		changed = doneUnsuppressedOne
	}
	p.changed(w, r, outcome{what: changed, channel: x.Channel})
}

func (p *pages) importFile(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, admin.MaxImportBytes+maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	file, err := importedFile(r, form.Get("text"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	defer func() { _ = file.Close() }()
	channel := cmp.Or(form.Get("channel"), string(message.SMS))
	result, err := p.Import(r.Context(), file, admin.ImportOptions{Channel: channel, Why: form.Get("why"), Partial: form.Get("partial") == "true"})
	if err != nil {
		p.failed(w, r, err)
		return
	}
	added, wrong := admin.Plural(result.Added, "address")+" added; ", admin.Plural(len(result.Wrong), "wrong line")
	if result.Imported && len(result.Wrong) == 0 {
		p.changed(w, r, outcome{what: doneImported, channel: message.Channel(channel), n: result.Added, rest: result.Already})
		return
	}
	v, err := p.viewSuppressions(r)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v.Import, v.Wrong = result, result.Wrong[:min(len(result.Wrong), maxWrongShown)]
	at := page{Problem: wrong + ": nothing was imported."}
	if result.Imported {
		at.Problem = added + wrong + " left out."
	}
	p.showSuppressions(w, r, at, v)
}

// importedFile is the text that was typed, or else the file of a form that has been read. Errors: a refusal.
func importedFile(r *http.Request, typed string) (io.ReadCloser, error) {
	if r.MultipartForm == nil {
		return nil, inbound.New(http.StatusUnprocessableEntity, "", "the form is invalid")
	}
	if strings.TrimSpace(typed) != "" || len(r.MultipartForm.File["file"]) == 0 {
		return io.NopCloser(strings.NewReader(typed)), nil
	}
	file, err := r.MultipartForm.File["file"][0].Open()
	if err != nil {
		return nil, inbound.New(http.StatusUnprocessableEntity, "", "the file cannot be read")
	}
	return file, nil
}

func (p *pages) export(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	x := admin.ExportRequest{Channel: message.Channel(form.Get("channel")), Why: form.Get("why")}
	if err := p.ServeExport(w, r, x); err != nil {
		p.failed(w, r, err)
	}
}
