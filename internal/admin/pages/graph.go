package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// graph is a drawing of some numbers over the time of a history. A point is one unit wide; its height is 100 units.
type graph struct {
	Title, Sum  string // what is drawn, and the numbers in a sentence
	Legend      []legend
	Top, Middle string // of the scale, which begins at 0
	Width       int
	Small       bool // without the numbers of marks
	Shapes      []shape
	Links       []pointLink
	Marks       []markGroup
	Ticks       []tick
}

// legend explains a shape: Class is how it is drawn.
type legend struct{ Class, Text string }

// shape is a path of SVG.
type shape struct{ Class, Path string }

// pointLink is a point that leads somewhere.
type pointLink struct {
	X         int
	To, Title string
}

// markGroup are marks that are too close for a label each: Percent is where they are, and Label has their numbers.
type markGroup struct {
	Class, Label, Percent string
	Lines                 []shape
	first                 int
	at                    float64
}

// tick is a time on the axis.
type tick struct{ Percent, Text string }

// canvas is what the graphs of a channel have in common.
type canvas struct {
	from, to time.Time
	step     time.Duration
	channel  message.Channel
	points   []admin.HistoryPoint
	offset   int // of the first point
	width    int
	marks    []markGroup
	ticks    []tick
}

func newCanvas(h *admin.History, c *admin.ChannelHistory) *canvas {
	step := time.Duration(h.Step) * time.Second
	v := &canvas{from: h.From, to: h.To, step: step, channel: c.Channel, points: c.Points, width: int(h.To.Sub(h.From) / step)}
	v.offset = v.width - len(c.Points)
	v.marks, v.ticks = v.markGroups(h.Marks), v.axis()
	return v
}

func (v *canvas) graph(title string) graph {
	return graph{Title: title, Width: v.width, Marks: v.marks, Ticks: v.ticks}
}

// markWidth is how close (in hundredths of the width) marks may be before they share a label.
const markWidth = 6

// markGroups are the marks of the channel; their numbers are their places among all.
func (v *canvas) markGroups(marks []admin.HistoryMark) (out []markGroup) {
	for i, m := range marks {
		if m.Channel != v.channel {
			continue
		}
		x, tone := float64(m.At.Sub(v.from))/float64(v.to.Sub(v.from))*100, markTone(m.Kind)
		line := shape{"mark " + tone, fmt.Sprintf("M%s,0V100", number(x*float64(v.width)/100))}
		if last := len(out) - 1; last >= 0 && x-out[last].at < markWidth {
			group := &out[last]
			group.Label, group.Lines = fmt.Sprintf("%d–%d", group.first, i+1), append(group.Lines, line)
			if group.Class != tone {
				group.Class = ""
			}
			continue
		}
		out = append(out, markGroup{Class: tone, Label: strconv.Itoa(i + 1), Percent: number(x), Lines: []shape{line}, first: i + 1, at: x})
	}
	return out
}

// markTone is how a mark is coloured.
func markTone(kind queue.MarkKind) string {
	switch kind {
	case queue.MarkOpened, queue.MarkPaused:
		return "bad"
	case queue.MarkClosed, queue.MarkResumed:
		return "good"
	}
	return ""
}

// axis has some six round times.
func (v *canvas) axis() (out []tick) {
	every := 10 * time.Minute
	for _, one := range []time.Duration{time.Hour, 4 * time.Hour, 8 * time.Hour} {
		if v.to.Sub(v.from) > 6*every {
			every = one
		}
	}
	for at := v.from.Truncate(every).Add(every); at.Before(v.to); at = at.Add(every) {
		text := at.UTC().Format("15:04")
		if text == "00:00" {
			text = at.UTC().Format("2 Jan")
		}
		x := float64(at.Sub(v.from)) / float64(v.to.Sub(v.from)) * 100
		out = append(out, tick{number(x), text})
	}
	return out
}

// number is a number with one decimal at most.
func number(f float64) string { return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") }

// height is where a value is drawn: at 100 for 0, and at 1 for the top.
func height(value, top float64) float64 { return 100 - 99*min(max(value/top, 0), 1) }

// values are one number of each point.
func (v *canvas) values(of func(*admin.HistoryPoint) int64) []float64 {
	out := make([]float64, len(v.points))
	for i := range v.points {
		out[i] = float64(of(&v.points[i]))
	}
	return out
}

// line draws values as steps: a path. An area goes down to 0 at its ends.
func (v *canvas) line(values []float64, top float64, area bool) string {
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	last := number(height(values[0], top))
	fmt.Fprintf(&b, "M%d,%s", v.offset, last)
	for i, value := range values {
		if y := number(height(value, top)); y != last {
			fmt.Fprintf(&b, "H%dV%s", v.offset+i, y)
			last = y
		}
	}
	fmt.Fprintf(&b, "H%d", v.width)
	if area {
		fmt.Fprintf(&b, "V100H%dZ", v.offset)
	}
	return b.String()
}

// leastColumn is the height of the lowest column: one failure among thousands is seen.
const leastColumn = 4

// columns draws those values that are not 0: a path.
func (v *canvas) columns(values []float64, top float64) string {
	var b strings.Builder
	for i, value := range values {
		if value > 0 {
			fmt.Fprintf(&b, "M%d,100V%sH%dV100Z", v.offset+i, number(min(height(value, top), 100-leastColumn)), v.offset+i+1)
		}
	}
	return b.String()
}

// bands draws shares of 1 on top of each other, a path for each band; points without shares stay blank.
func (v *canvas) bands(shares [][]float64) []string {
	var out []string
	for band := range shares {
		var b strings.Builder
		for i := range v.points {
			low := 0.0
			for below := range band {
				low += shares[below][i] //nolint:gosec // a share for each point
			}
			if share := shares[band][i]; share > 0 { //nolint:gosec // as above
				fmt.Fprintf(&b, "M%d,%sH%dV%sH%dZ", v.offset+i, number(100-100*low), v.offset+i+1, number(100-100*(low+share)), v.offset+i)
			}
		}
		out = append(out, b.String())
	}
	return out
}

// roundUp is the next number of one digit and noughts whose half is as good, or 1.
func roundUp(n int64) int64 {
	for power := int64(1); power < 1e18; power *= 10 {
		for _, digit := range []int64{1, 2, 4, 6, 8} {
			if n <= digit*power {
				return digit * power
			}
		}
	}
	return max(n, 1)
}

// countScale labels a scale of counts up to a top.
func (g *graph) countScale(top int64) {
	g.Top = admin.Thousands(top)
	if top > 1 {
		g.Middle = admin.Thousands(top / 2)
	}
}

// costScale labels a scale of money.
func (g *graph) costScale(top int64) {
	g.Top, g.Middle = pricing.Micros(top).String(), pricing.Micros(top/2).String()
}

// times are the tops that a scale of times may have.
var times = []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour,
	12 * time.Hour, 24 * time.Hour, 48 * time.Hour}

// timeScale labels a scale of times, and returns its top in milliseconds.
func (g *graph) timeScale(most time.Duration) float64 {
	top := roundUp(int64(most/(24*time.Hour)) + 1)
	d := time.Duration(top) * 24 * time.Hour
	if i := slices.IndexFunc(times, func(t time.Duration) bool { return most <= t }); i >= 0 {
		d = times[i]
	}
	g.Top, g.Middle = length(d), length(d/2)
	return float64(d.Milliseconds())
}
