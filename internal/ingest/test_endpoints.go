package ingest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
)

// newID is unguessable and unique.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// understand answers what it understood of any JSON object, and sends nothing.
func (h *handler) understand(w http.ResponseWriter, r *http.Request) {
	body, err := h.body(r)
	var refused *Problem
	if errors.As(err, &refused) {
		refused.write(w)
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		problem(http.StatusBadRequest, "", "the body is not a JSON object").write(w)
		return
	}
	answer := struct {
		Valid    bool              `json:"valid"`
		Fields   []string          `json:"fields"`
		Problems []generic.Problem `json:"problems"`
		Would    *accepted         `json:"would,omitempty"`
	}{Fields: []string{}, Problems: []generic.Problem{}}
	answer.Fields = append(answer.Fields, slices.Sorted(maps.Keys(object))...)
	e, err := generic.Decode(body)
	if err != nil {
		p := invalid(err)
		answer.Problems = p.Errors
		if p.Errors == nil {
			answer.Problems = []generic.Problem{{Message: p.Detail}}
		}
		writeJSON(w, http.StatusOK, "application/json", answer)
		return
	}
	answer.Valid = true
	would := &accepted{ID: e.ID, Status: "not sent: this is a test"}
	for _, part := range plan.Plan(e, h.Store).Channels {
		for i, to := range part.Recipients {
			would.Jobs = append(would.Jobs, queue.Accepted{ID: job.ID(e.ID, part.Channel, i+1), Channel: part.Channel, Recipient: to.Address.String()})
		}
		would.Skipped = append(would.Skipped, part.Skipped...)
	}
	answer.Would = would
	writeJSON(w, http.StatusOK, "application/json", answer)
}

// samples answers a valid payload for each event type.
func (h *handler) samples(w http.ResponseWriter, _ *http.Request) {
	all := map[event.Type]json.RawMessage{}
	for _, t := range event.Types {
		all[t] = generic.Sample(t)
	}
	writeJSON(w, http.StatusOK, "application/json", all)
}
