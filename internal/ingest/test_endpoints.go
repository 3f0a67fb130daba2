package ingest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
)

// newID is unguessable and unique.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// dryRun answers with what a webhook would do, or with all that is wrong with it, and sends nothing.
func (h *handler) dryRun(w http.ResponseWriter, r *http.Request) {
	body, err := h.body.Read(r)
	if err != nil {
		inbound.AsProblem(err).Write(w)
		return
	}
	body = generic.TrimMark(body)
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		inbound.New(http.StatusBadRequest, "", "the body is not a JSON object").Write(w)
		return
	}
	answer := struct {
		Valid    bool                 `json:"valid"`
		Fields   []string             `json:"fields"`
		Problems []inbound.FieldError `json:"problems"`
		Would    *accepted            `json:"would,omitempty"`
	}{Fields: []string{}, Problems: []inbound.FieldError{}}
	answer.Fields = append(answer.Fields, slices.Sorted(maps.Keys(object))...)
	e, notes, err := generic.Decode(body, h.zone, time.Now())
	if err != nil {
		p := invalid(err)
		answer.Problems = p.Errors
		if p.Errors == nil {
			answer.Problems = []inbound.FieldError{{Message: p.Detail}}
		}
		inbound.WriteJSON(w, http.StatusOK, inbound.JSON, answer)
		return
	}
	answer.Valid = true
	would := &accepted{ID: e.ID, Status: "not sent: this is a test", Notes: notes}
	submission := plan.Plan(e, h.Store)
	if !h.sends(e) {
		submission.Channels = nil
	}
	for _, part := range submission.Channels {
		for i, to := range part.Recipients {
			would.Jobs = append(would.Jobs, queue.Accepted{ID: job.ID(e.ID, part.Channel, i+1), Channel: part.Channel, Recipient: to.Address.String()})
		}
		would.Skipped = append(would.Skipped, part.Skipped...)
	}
	answer.Would = would.complete()
	inbound.WriteJSON(w, http.StatusOK, inbound.JSON, answer)
}

// samples answers a valid payload for each event type.
func (h *handler) samples(w http.ResponseWriter, _ *http.Request) {
	all := map[event.Type]json.RawMessage{}
	for _, t := range event.Types {
		all[t] = generic.Sample(t)
	}
	inbound.WriteJSON(w, http.StatusOK, inbound.JSON, all)
}
