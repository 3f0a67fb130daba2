package admin

import (
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"ringup.dev/ringup/internal/queue"
)

// jobWriter writes the jobs of an export, one after the other.
type jobWriter interface {
	write([]Job) error
	// end completes the export; more says that there are jobs that it does not have.
	end(more bool) error
}

// ServeJobs answers with the first maxLooked jobs of a list as CSV, or with format "json" as JSON. Addresses are masked, and no shared body is read. An error means that nothing
// was written. An export that breaks off cuts the connection (it panics with http.ErrAbortHandler).
func (a *Admin) ServeJobs(w http.ResponseWriter, r *http.Request, q ListRequest, format string) error {
	if format != "csv" && format != "json" {
		return refuse("format is csv or json")
	}
	state, err := a.Queues.State(r.Context(), q.Channel)
	if err != nil {
		return err
	}
	all := total(state, q.State, q.Priority)
	var out jobWriter
	looked, err := a.each(r.Context(), &q, all, maxLooked, func(jobs []queue.Stored) (bool, error) {
		shown, err := a.withProviders(r.Context(), jobs)
		if err != nil {
			return true, err
		}
		if out == nil {
			out = newJobWriter(w, &q, format)
		}
		return false, out.write(shown)
	})
	if err == nil {
		err = out.end(int64(looked) < all) // each has called at least once
	}
	if err != nil && out != nil {
		a.Log.Error("export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func newJobWriter(w http.ResponseWriter, q *ListRequest, format string) jobWriter {
	w.Header().Set("Content-Disposition", `attachment; filename="ringup-`+string(q.Channel)+`-`+string(q.State)+`.`+format+`"`)
	if format == "json" {
		w.Header().Set("Content-Type", "application/json")
		return &jsonJobs{w: w}
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	return &csvJobs{w: csv.NewWriter(w)}
}

// jsonJobs writes {"jobs":[…],"more":…}.
type jsonJobs struct {
	w               io.Writer
	opened, started bool
}

func (j *jsonJobs) write(jobs []Job) error {
	if !j.opened {
		j.opened = true
		if _, err := io.WriteString(j.w, `{"jobs":[`); err != nil {
			return err
		}
	}
	for i := range jobs {
		separator := ",\n"
		if !j.started {
			separator, j.started = "\n", true
		}
		if _, err := io.WriteString(j.w, separator); err != nil {
			return err
		}
		if err := json.MarshalWrite(j.w, &jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonJobs) end(more bool) error {
	_, err := io.WriteString(j.w, "\n],\"more\":"+strconv.FormatBool(more)+"}\n")
	return err
}

// csvJobs writes a line per job.
type csvJobs struct {
	w       *csv.Writer
	started bool
}

// jobColumns are the columns of the CSV.
var jobColumns = []string{"job", "state", "time", "accepted", "event", "to", "audience", "order", "amount", "store", "provider", "attempts", "uncertain", "why"}

func (c *csvJobs) write(jobs []Job) error {
	if !c.started {
		c.started = true
		if err := c.w.Write(jobColumns); err != nil {
			return err
		}
	}
	clock := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for i := range jobs {
		j := &jobs[i]
		line := []string{j.ID, StateName(j.State), clock(j.At), clock(j.AcceptedAt), j.Event, j.Recipient, j.Audience, j.Order, j.Amount, j.Store, j.Provider, strconv.Itoa(j.Attempts),
			strconv.FormatBool(j.Uncertain), j.LastError}
		for k := range line {
			line[k] = toCell(line[k])
		}
		if err := c.w.Write(line); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

// end says in a last line that jobs are missing: nothing else of a CSV could.
func (c *csvJobs) end(more bool) error {
	var err error
	if more {
		line := make([]string, len(jobColumns))
		line[0] = "# there are more jobs: an export has those among the first " + strconv.Itoa(maxLooked)
		err = c.w.Write(line)
	}
	c.w.Flush()
	return errors.Join(err, c.w.Error())
}
