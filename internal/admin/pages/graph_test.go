package pages

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// canvasOf is one hour that ends at a time, with these accepted messages in its last minutes.
func canvasOf(end time.Time, accepted ...int64) (*admin.History, *canvas) {
	h := &admin.History{Range: "1h", From: end.Add(-time.Hour), To: end, Step: 60}
	c := admin.ChannelHistory{Channel: message.SMS}
	for i, n := range accepted {
		c.Points = append(c.Points, admin.HistoryPoint{At: end.Add(time.Duration(i-len(accepted)) * time.Minute), Accepted: n})
	}
	return h, newCanvas(h, &c)
}

var ten = time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)

func TestLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		area   bool
		want   string
	}{
		{nil, false, ""},
		{[]float64{0}, false, "M59,100H60"},
		{[]float64{10, 10, 5, 0, 0}, false, "M55,1H57V50.5H58V100H60"},
		{[]float64{0, 20, -3}, true, "M57,100H58V1H59V100H60V100H57Z"},
	} {
		_, v := canvasOf(ten, make([]int64, len(tt.values))...)
		if got := v.line(tt.values, 10, tt.area); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.values, got, tt.want)
		}
	}
	_, v := canvasOf(ten, 0, 0, 0)
	if got := v.columns([]float64{0, 1, 1000}, 1000); got != "M58,100V96H59V100ZM59,100V1H60V100Z" {
		t.Errorf("columns %q", got)
	}
	if got := v.bands([][]float64{{0, 1, .5}, {0, 0, .5}}); got[0] != "M58,100H59V0H58ZM59,100H60V50H59Z" || got[1] != "M59,50H60V0H59Z" {
		t.Errorf("bands %q", got)
	}
}

// TestGraphsStayInside: whatever the counts are, nothing is drawn outside, and each number is one.
func TestGraphsStayInside(t *testing.T) {
	t.Parallel()
	numbers := regexp.MustCompile(`[A-Z,]([^A-Z,]+)`)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64(), 1, 60).Draw(t, "values")
		h, v := canvasOf(ten, values...)
		c := admin.ChannelHistory{Channel: message.SMS, Points: v.points}
		for i := range c.Points {
			c.Points[i].Failed, c.Points[i].Delays = values[len(values)-1-i], []int64{max(0, values[i]%1000), 3, 0, 0, 0, 0, 0, 0}
			c.Points[i].Waiting, c.Points[i].OldestMS = values[i], max(0, values[i]/1e6)
		}
		c.Sum = admin.HistoryPoint{Delays: []int64{1, 2, 0, 0, 0, 0, 0, 0}, Waiting: slices.Max(values), OldestMS: max(0, slices.Max(values)/1e6), Delivered: 1, Micros: 1}
		for _, g := range partOf(h, &c, true).Graphs {
			for _, s := range g.Shapes {
				for _, m := range numbers.FindAllStringSubmatch(strings.ReplaceAll(s.Path, "Z", ""), -1) {
					if n, err := strconv.ParseFloat(m[1], 64); err != nil || n < -.1 || n > 100.1 {
						t.Fatalf("%s: %q has %q, %v", g.Title, s.Path, m[1], err)
					}
				}
			}
			if g.Top == "" {
				t.Errorf("%s has no scale", g.Title)
			}
		}
	})
}

// TestScales: a scale ends at a round number that is not much larger than the largest one.
func TestScales(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]int64{-1: 1, 0: 1, 1: 1, 2: 2, 3: 4, 5: 6, 8: 8, 9: 10, 11: 20, 41: 60, 81: 100, 1204: 2000, 1 << 62: 6e18} {
		if got := roundUp(n); got != want && n < 1<<60 || got < n {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
	for most, want := range map[time.Duration]string{0: "2 s 1 s", 3 * time.Second: "10 s 5 s", 2 * time.Minute: "2 min 60 s", 90 * time.Minute: "2 h 60 min", 47 * time.Hour: "2 days 24 h", 80 * time.Hour: "4 days 2 days"} {
		var g graph
		if ms := g.timeScale(most); g.Top+" "+g.Middle != want || ms < float64(most.Milliseconds()) {
			t.Errorf("%s: %s and %s, %v ms; want %s", most, g.Top, g.Middle, ms, want)
		}
	}
}

// TestAxis: round times, some six of them, and the day at midnight.
func TestAxis(t *testing.T) {
	t.Parallel()
	for _, r := range admin.HistoryRanges {
		end := time.Date(2026, 2, 1, 1, 10, 0, 0, time.UTC)
		v := newCanvas(&admin.History{From: end.Add(-r.Back), To: end, Step: int(r.Step.Seconds())}, &admin.ChannelHistory{})
		if len(v.ticks) < 5 || len(v.ticks) > 7 || !slices.ContainsFunc(v.ticks, func(one tick) bool { return one.Text == "1 Feb" }) && r.Back > time.Hour {
			t.Errorf("%s: %+v", r.Name, v.ticks)
		}
	}
	_, v := canvasOf(ten)
	if got := v.ticks[0]; got != (tick{"16.7", "09:10"}) {
		t.Errorf("%+v", got)
	}
}

// TestMarkGroups: marks keep their numbers; those of other channels are not drawn, and those that are close share a label.
func TestMarkGroups(t *testing.T) {
	t.Parallel()
	h, _ := canvasOf(ten)
	add := func(channel message.Channel, minute int, kind queue.MarkKind) {
		h.Marks = append(h.Marks, admin.HistoryMark{Channel: channel, Mark: queue.Mark{At: h.From.Add(time.Duration(minute) * time.Minute), Kind: kind}})
	}
	add(message.SMS, 0, queue.MarkVersion)
	add(message.Email, 20, queue.MarkOpened)
	add(message.SMS, 30, queue.MarkOpened)
	add(message.SMS, 31, queue.MarkPaused)
	add(message.SMS, 45, queue.MarkOpened)
	add(message.SMS, 46, queue.MarkClosed)
	var got []string
	for _, m := range newCanvas(h, &admin.ChannelHistory{Channel: message.SMS}).marks {
		text := m.Label + " " + m.Class
		for _, line := range m.Lines {
			text += "; " + line.Class + " " + line.Path
		}
		got = append(got, text)
	}
	if want := []string{"1 ; mark  M0,0V100", "3–4 bad; mark bad M30,0V100; mark bad M31,0V100", "5–6 ; mark bad M45,0V100; mark good M46,0V100"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
