package redisstore

import (
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// claimArgs are the arguments of claim.lua.
type claimArgs struct {
	jobKeys
	Suppressed    string        `key:"suppressed"`
	Base          string        `lua:"base"`
	Max           int           `lua:"max"`
	Bytes         int64         `lua:"bytes"`
	Lease         time.Duration `lua:"lease"`
	Aging         time.Duration `lua:"aging"`
	Rate          float64       `lua:"rate"`
	Burst         float64       `lua:"burst"`
	Reap          bool          `lua:"reap"`
	MaxCrashes    int           `lua:"max_crashes"`
	FailUncertain bool          `lua:"fail_uncertain"`
	KeepFailed    int           `lua:"keep_failed"`
	StatusTTL     time.Duration `lua:"status_ttl"`
	Providers     []string      `lua:"provider"`
}

// claimAnswer is the answer of claim.lua.
type claimAnswer struct {
	Jobs      []string          `lua:"jobs"`
	Bodies    map[string]string `lua:"bodies"`
	Provider  int               `lua:"provider"`
	Probe     int               `lua:"probe"`
	Wait      int               `lua:"wait"` // ms
	Halted    string            `lua:"halted"`
	Throttled bool              `lua:"throttled"`
	Full      bool              `lua:"full"`
	Promoted  int               `lua:"promoted"`
	Reaped    int               `lua:"reaped"`
	SetAside  int               `lua:"set_aside"`
	Evicted   []string          `lua:"evicted"`
	Listed    bool              `lua:"listed"` // the suppression list has an entry
}

func (c *Consumer) claimArgs(r *queue.ClaimRequest) *claimArgs {
	config := &c.store.config
	// To ask a sender once more does no harm.
	failUncertain := config.OnUncertain == FailUncertain && c.channel != message.Resolve
	return &claimArgs{
		jobKeys: c.keys.jobs(), Suppressed: c.keys.Suppressed, Base: c.keys.Base,
		Max: min(r.Max, maxBatch), Bytes: r.Bytes, Reap: r.Reap, Lease: c.config.Lease, Aging: c.config.PriorityAging, Rate: c.config.RateLimit, Burst: c.config.burst(),
		MaxCrashes: config.MaxCrashes, FailUncertain: failUncertain, KeepFailed: config.KeepFailed, StatusTTL: config.StatusTTL,
		Providers: c.providers,
	}
}

// readClaim reads the answer of claim.lua. lookUp says that the jobs' recipients have to be looked up.
func (c *Consumer) readClaim(answer any) (claim *queue.Claim, lookUp bool, err error) {
	var a claimAnswer
	if err := decode(answer, &a); err != nil {
		return nil, false, err
	}
	claim = &queue.Claim{
		Provider: a.Provider, Wait: time.Duration(a.Wait) * time.Millisecond, Halted: a.Halted, Throttled: a.Throttled, Full: a.Full,
		Promoted: a.Promoted, Reaped: a.Reaped, SetAside: a.SetAside, Evicted: decodeJobs(c.channel, a.Evicted),
	}
	if a.Wait < 0 {
		claim.Wait = -1
	}
	bodies := make(map[string][]byte, len(a.Bodies)) // one copy for all jobs that share it
	for key, body := range a.Bodies {
		bodies[key] = []byte(body)
	}
	for i, raw := range a.Jobs {
		one := &queue.Claimed{Raw: []byte(raw), Provider: a.Provider}
		if i == 0 && a.Probe >= 0 {
			one.Probe, one.Provider = true, a.Probe
		}
		one.Job, one.Err = job.Decode(c.channel, one.Raw)
		if one.Err == nil && one.Job.SharedBody {
			one.Job.Body = bodies[c.keys.body(one.Job)]
		}
		claim.Jobs = append(claim.Jobs, one)
	}
	return claim, a.Listed || c.config.RecipientLimit > 0, nil
}
