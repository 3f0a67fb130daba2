package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// applyAll applies the reports that wait and those whose time has come again, a batch at a time. Those that speak of a message that is not known yet are
// looked at again later, and so are those whose message cannot fall back just now: the error says why, and the other reports are applied.
func (d *Deliveries) applyAll(ctx context.Context, channel message.Channel) error {
	var refusal error
	for {
		call, cancel := context.WithTimeout(ctx, flushTimeout)
		taken, err := d.apply(call, channel, &refusal)
		cancel()
		if err != nil || taken < reportBatch {
			return unavailable(errors.Join(err, refusal))
		}
	}
}

// takeArgs are the arguments of take.lua.
type takeArgs struct {
	Reports string        `key:"reports"`
	Taken   string        `key:"taken"`
	Max     int           `lua:"max"`
	Lease   time.Duration `lua:"lease"`
}

// takeAnswer is the answer of take.lua.
type takeAnswer struct {
	Reports []string `lua:"reports"`
	Now     int64    `lua:"now"` // Unix ms
}

// take takes the next reports, under a lease: some of those that wait, and of those whose time has come again.
func (d *Deliveries) take(ctx context.Context, channel message.Channel) ([]string, error) {
	k := d.store.keys[channel]
	var answer takeAnswer
	err := d.store.ask(ctx, &d.store.scripts.take, &takeArgs{Reports: k.Reports, Taken: k.Taken, Max: reportBatch, Lease: reportLease}, &answer)
	if err == nil {
		d.ahead[channel].Store(answer.Now - time.Now().UnixMilli())
	}
	return answer.Reports, err
}

// now is the time by Redis's clock, as far as it is known: the replicas' own clocks differ, and what one of them notes is compared by another.
func (d *Deliveries) now(channel message.Channel) time.Time {
	return time.Now().Add(time.Duration(d.ahead[channel].Load()) * time.Millisecond)
}

// reportArgs are the arguments of report.lua.
type reportArgs struct {
	Retry      string        `key:"retry"`
	Failed     string        `key:"failed"`
	Taken      string        `key:"taken"`
	Suppressed string        `key:"suppressed"`
	Base       string        `lua:"base"`
	StatusTTL  time.Duration `lua:"status_ttl"`
	KeepFailed int           `lua:"keep_failed"`
	Rows       []reportRow   `lua:"report"`
}

// reportRow is one report for report.lua, which describes the fields.
type reportRow struct {
	Raw      string          `lua:"raw"`
	Verdict  string          `lua:"verdict"`
	Again    time.Duration   `lua:"again"`
	LogKey   string          `lua:"log_key"`
	LogField string          `lua:"log_field"`
	ID       string          `lua:"id"`
	Line     string          `lua:"line"`
	Action   report.Remedy   `lua:"action"`
	Error    string          `lua:"error"`
	Message  string          `lua:"message"`
	Moved    message.Channel `lua:"moved"`
	Person   string          `lua:"person"`
	Entry    string          `lua:"entry"`
	Lifts    string          `lua:"lifts"`
	Senders  string          `lua:"senders"`
	Source   string          `lua:"source"`
	Word     string          `lua:"word"`
}

// reportAnswer is the answer of report.lua.
type reportAnswer struct {
	Results []string `lua:"results"`
	Copies  []struct {
		Of   int    `lua:"of"` // the number of a report, from 1
		Copy string `lua:"copy"`
	} `lua:"copies"`
	Evicted []string `lua:"evicted"`
}

// notMoved is for reports whose message does not fall back.
const notMoved message.Channel = "-"

// apply takes a batch of reports, applies and counts them, and returns how many it took. Where one calls for a fall-back, the script only says so, and the
// report stays taken: the message is enqueued on the other channel, and then the report is applied. A process that dies in between leaves a report that
// does the same again. refusal is why the other channel takes no message over, once that is known.
func (d *Deliveries) apply(ctx context.Context, channel message.Channel, refusal *error) (taken int, err error) {
	raws, err := d.take(ctx, channel)
	if err != nil || len(raws) == 0 {
		return 0, err
	}
	reports := make([]queuedReport, len(raws))
	for i, raw := range raws {
		_ = json.Unmarshal([]byte(raw), &reports[i]) // one that cannot be read is dropped: nothing is known of it
	}
	logs, err := d.locate(ctx, channel, reports)
	if err != nil {
		return 0, err
	}
	rows := make([]reportRow, len(raws))
	for i := range reports {
		if err := d.nameOld(ctx, &reports[i]); err != nil {
			return 0, err
		}
		if rows[i], err = rowOf(&reports[i], logs[i], d.now(channel)); err != nil {
			return 0, err
		}
		rows[i].Raw = raws[i]
	}
	results, copies, err := d.run(ctx, channel, rows)
	if err != nil {
		return 0, err
	}
	for i, result := range results {
		d.count(channel, &reports[i], result)
	}
	return len(raws), d.fallBack(ctx, channel, reports, rows, copies, refusal)
}

// applyNow applies preferences that wait nowhere, at most reportBatch.
func (d *Deliveries) applyNow(ctx context.Context, channel message.Channel, preferences []queuedReport) error {
	rows := make([]reportRow, len(preferences))
	for i := range preferences {
		var err error
		if rows[i], err = rowOf(&preferences[i], logPath{}, d.now(channel)); err != nil {
			return err
		}
	}
	results, _, err := d.run(ctx, channel, rows)
	for i, result := range results {
		d.count(channel, &preferences[i], result)
	}
	return err
}

// count counts a report by its result, unless it still waits.
func (d *Deliveries) count(channel message.Channel, r *queuedReport, result string) {
	switch result {
	case "gone", "later", "move":
		return
	}
	d.results.WithLabelValues(string(channel), result).Inc()
	if result != "repeated" && result != "dropped" && r.State != "" {
		d.delivered.WithLabelValues(string(channel), r.Provider, string(r.State)).Inc()
	}
}

// A report that cannot be applied yet is looked at again after four times its age, so that many of another program's cost little; within these bounds.
const (
	againFirst = time.Second
	againLast  = 15 * time.Second
)

// rowOf makes the arguments of one report, but for its bytes. now is by Redis's clock.
func rowOf(r *queuedReport, at logPath, now time.Time) (reportRow, error) {
	sum := sha256.Sum256([]byte(r.Provider + " " + r.EventID))
	id := base64.RawURLEncoding.EncodeToString(sum[:12])
	row := reportRow{
		Verdict: "apply", LogKey: at.key, LogField: at.field, ID: `"i":"` + id + `"`, Action: r.Remedy, Error: r.Error, Message: r.Message, Person: r.Person,
		Line: logEntry{At: r.At, State: events[r.State], Provider: r.Provider, MessageID: r.Message, Error: r.Error, EventID: id}.String(),
	}
	age := now.Sub(time.UnixMilli(r.Received)).Abs() // where the clock has gone back, it is behind
	early := age < reportPatience
	row.Again = min(max(againFirst, 4*age), againLast)
	switch unknown := r.Kind == "" && at.key == ""; {
	case unknown && early && r.JobID == "":
		row.Verdict = "later" // the settlement has not said yet which job the message is of
	case unknown:
		row.Verdict = "drop" // a job that is known is found from its acceptance on
	case r.Remedy != "" && early:
		row.Verdict = "await"
	}
	if r.Provider == report.Own {
		row.ID = `"i":""`
	}
	return row, row.prefer(r)
}

// prefer adds a preference to the arguments.
func (row *reportRow) prefer(r *queuedReport) (err error) {
	row.Senders = strings.Join(append(r.Also, r.Sender), "\n")
	switch r.Why {
	case suppress.StopWord, suppress.Refused:
		row.Word = "to " + r.Sender
	case suppress.Unsubscribe:
		// No account of ours was addressed: the provider's own link, or ringup's page, knows of its own subscriptions.
		row.Source, row.Word = r.Provider, "by "+r.Provider
	}
	switch r.Kind {
	case suppress.OptOut:
		row.Entry, err = encodeSuppression(&suppress.Entry{Masked: r.Masked, Why: r.Why, By: r.Provider, Sender: r.Sender, Also: r.Also, At: time.UnixMilli(r.At)})
	case suppress.OptIn:
		for _, why := range suppress.Lifts(r.Why) {
			row.Lifts += " " + string(why)
		}
		row.Lifts += " "
	}
	return err
}

// nameOld gives a preference that 0.1.0 queued the names of its person, and the kind of what it lifts.
func (d *Deliveries) nameOld(ctx context.Context, r *queuedReport) error {
	if !isAddress(r.Person) {
		return nil
	}
	namer, err := d.store.namer(ctx)
	if err != nil {
		return err
	}
	old := message.Address(r.Person)
	r.Person, r.Masked = strings.Join(append(namer.names(old), oldFields(old)...), " "), old.Key().String()
	if r.Kind == suppress.OptIn && r.Why == "" {
		if r.Why = suppress.StopWord; strings.Contains(old.Reveal(), "@") {
			r.Why = suppress.Unsubscribe
		}
	}
	return nil
}

// run runs the script. copies are the redelivery copies of the messages that fall back, by the index of their report.
func (d *Deliveries) run(ctx context.Context, channel message.Channel, rows []reportRow) (results []string, copies map[int]string, err error) {
	s, k := d.store, d.store.keys[channel]
	var answer reportAnswer
	err = s.ask(ctx, &s.scripts.report, &reportArgs{Retry: k.Retry, Failed: k.Failed, Taken: k.Taken, Suppressed: k.Suppressed, Base: k.Base, StatusTTL: s.config.StatusTTL,
		KeepFailed: s.config.KeepFailed, Rows: rows}, &answer)
	if err == nil && len(answer.Results) != len(rows) {
		err = fmt.Errorf("%w: %d results for %d reports", queue.ErrUnavailable, len(answer.Results), len(rows))
	}
	if err != nil {
		return nil, nil, err
	}
	copies = map[int]string{}
	for _, c := range answer.Copies {
		copies[c.Of-1] = c.Copy
	}
	d.evicted.note(channel, decodeJobs(channel, answer.Evicted))
	return answer.Results, copies, nil
}

// fallBackBatch is how many messages fall back together: their bodies, of up to MAX_BODY_BYTES each, are in memory meanwhile.
const fallBackBatch = 8

// fallBack lets the messages of some reports fall back where they may, applies those reports, and counts them. copies are the messages' redelivery copies,
// by the index of their report. Where the other channel takes none just now, which is the refusal, their reports are looked at again later, so that they
// hold up no other.
func (d *Deliveries) fallBack(ctx context.Context, channel message.Channel, reports []queuedReport, rows []reportRow, copies map[int]string, refusal *error) error {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(copies)), fallBackBatch) {
		again, jobs := make([]reportRow, len(some)), make([]*job.Job, len(some))
		for n, i := range some {
			again[n] = rows[i]
			var err error
			if jobs[n], err = job.Decode(channel, []byte(copies[i])); err != nil {
				jobs[n] = &job.Job{} // nobody knows what it says, so it makes no message
			}
		}
		if err := d.store.fetchBodies(ctx, jobs); err != nil {
			return err
		}
		var to message.Channel
		var falling []*job.Job
		for n, j := range jobs {
			again[n].Moved = notMoved
			if over, falls := d.store.fallsBack(j); falls {
				to, again[n].Moved = over, over
				falling = append(falling, j)
			}
		}
		if len(falling) > 0 && *refusal == nil {
			*refusal = d.store.enqueueFallBacks(ctx, to, falling)
		}
		for n := range again {
			if *refusal != nil && again[n].Moved != notMoved {
				again[n].Verdict, again[n].Moved = "later", ""
			}
		}
		results, _, err := d.run(ctx, channel, again)
		for n, result := range results {
			d.count(channel, &reports[some[n]], result)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logPath is where a job's log is; zero when that is not known.
type logPath struct{ key, field string }

// locate finds the logs of the jobs that reports speak of: by the job's id, or by the provider's message id.
func (d *Deliveries) locate(ctx context.Context, channel message.Channel, reports []queuedReport) ([]logPath, error) {
	s, k := d.store, d.store.keys[channel]
	pipe := s.client.Pipeline()
	names := make([]*redis.StringCmd, len(reports))
	records := make([][]*redis.StringCmd, len(reports))
	jobs := make([]job.Job, len(reports))
	for i := range reports {
		webhookID, of, index, err := job.ParseID(reports[i].JobID)
		switch {
		case err == nil && of == channel:
			jobs[i] = job.Job{WebhookID: webhookID, Index: index}
			records[i] = s.records(ctx, pipe, s.recordKeys(channel), webhookID)
		case reports[i].JobID == "" && reports[i].Message != "":
			names[i] = pipe.Get(ctx, k.message(reports[i].Message))
		}
	}
	out := make([]logPath, len(reports))
	if pipe.Len() == 0 {
		return out, nil
	}
	if _, err := exec(ctx, pipe); err != nil {
		return nil, err
	}
	for i := range reports {
		for _, record := range records[i] {
			known := splitRecord(record.Val())
			if len(known) == 0 {
				continue
			}
			// Jobs that 0.1.0 moved have other numbers.
			part := known[max(0, slices.IndexFunc(known, func(p recordPart) bool { return p.has(jobs[i].Index) }))]
			out[i].key, out[i].field = k.log(jobs[i].WebhookID, jobs[i].Index, part.acceptedAt())
			break
		}
		if names[i] == nil {
			continue
		}
		if name, accepted, ok := cutLastSpace(names[i].Val()); ok {
			ms, _ := strconv.ParseInt(accepted, 10, 64)
			out[i] = logPath{k.logOf(time.UnixMilli(ms)), name}
		}
	}
	return out, nil
}

func cutLastSpace(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
