package queue

import (
	"cmp"
	"maps"
	"slices"
)

// Settings are fingerprints of a program's settings, without its secrets; "" of a program of 0.1.
type Settings struct {
	Shared string `json:"shared,omitempty"` // of those that all programs have to agree on
	Own    string `json:"own,omitempty"`    // of those that the replicas of the program share, with workers those of the channel
}

// ProgramState is the latest heartbeat of ingest or admin, or the part of a worker's that they have, too.
type ProgramState struct {
	ID       string   `json:"id"` // host and process
	Program  string   `json:"program"`
	Settings Settings `json:"settings"`
}

// Differing returns the ids, sorted, of the programs that run with other settings than most: than most of all in what all share, or than most replicas of the same program.
// Of two settings that as many programs have, one counts as that of most. It is empty where all agree.
func Differing(all []ProgramState) []string {
	type group struct{ program, fingerprint string }
	groups := map[group][]string{}
	for _, p := range all {
		for of, fingerprint := range map[string]string{"": p.Settings.Shared, p.Program: p.Settings.Own} {
			if fingerprint != "" {
				g := group{of, fingerprint}
				groups[g] = append(groups[g], p.ID)
			}
		}
	}
	most := map[string]group{}
	for g, ids := range groups {
		known, found := most[g.program]
		if !found || cmp.Or(cmp.Compare(len(ids), len(groups[known])), cmp.Compare(g.fingerprint, known.fingerprint)) > 0 {
			most[g.program] = g
		}
	}
	differ := map[string]bool{}
	for g, ids := range groups {
		for _, id := range ids {
			if g != most[g.program] {
				differ[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(differ))
}
