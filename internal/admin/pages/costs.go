package pages

import (
	"net/http"

	"ringup.dev/ringup/internal/admin"
)

// costsView is the costs of some days.
type costsView struct {
	*admin.Spending
	Choices []daysChoice
}

// daysChoice is a link to another number of days.
type daysChoice struct {
	Days    int
	Current bool
}

func (p *pages) costs(w http.ResponseWriter, r *http.Request) {
	days, err := admin.ParseDays(r.URL.Query().Get("days"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	spending, err := p.Spending(r.Context(), days)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v := costsView{Spending: spending}
	for _, n := range []int{1, admin.UsualDays, 30} {
		v.Choices = append(v.Choices, daysChoice{n, n == days})
	}
	p.show(w, r, http.StatusOK, "costs", page{Title: "Costs", Section: "costs", Data: v})
}
