package main

import (
	"context"
	"fmt"
	"image/color"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// curve is how a cost grows.
type curve struct {
	title, x string // x is what grows
	unit     string // what the cost counts for: job, webhook or message
	points   []point
}

type point struct {
	x float64
	cost
	note string
}

// grow measures every curve, prints them as tables and draws them.
func grow(out io.Writer, dir string, c contender, file string) error {
	var curves []curve
	for _, measure := range []func(string, contender) (curve, error){byWaiting, byReplicas, byShards, byRecipients, bySize} {
		one, err := measure(dir, c)
		if err != nil {
			return err
		}
		curves = append(curves, one)
		if _, err := io.WriteString(out, one.table()); err != nil {
			return err
		}
	}
	return paint(curves, file)
}

func (c *curve) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**, CPU-µs per %s:\n\n| %s | ingest | Redis | workers | together | |\n|---|---|---|---|---|---|\n", c.title, c.unit, c.x)
	for _, p := range c.points {
		ingest := "–"
		if p.ingest > 0 {
			ingest = fmt.Sprintf("%.1f", p.ingest)
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f | %.1f | %.1f | %s |\n", thousands(p.x), ingest, p.redis, p.worker, p.total(), p.note)
	}
	fmt.Fprintln(&b)
	return b.String()
}

func thousands(x float64) string {
	digits := strconv.FormatFloat(x, 'f', -1, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// byWaiting returns the cost of a job by the length of the queue behind it.
func byWaiting(dir string, c contender) (curve, error) {
	all := curve{title: "Waiting jobs", x: "jobs waiting", unit: "job"}
	for _, backlog := range []int{10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000} {
		progress("%d waiting", backlog)
		p, err := drainSeeded(dir, c, backlog, 1)
		if err != nil {
			return all, err
		}
		all.points = append(all.points, p)
	}
	return all, nil
}

// byReplicas returns the cost of the same jobs by the number of workers.
func byReplicas(dir string, c contender) (curve, error) {
	all := curve{title: "Worker replicas", x: "replicas", unit: "job"}
	for _, replicas := range []int{1, 2, 4, 8, 16} {
		progress("%d replicas", replicas)
		p, err := drainSeeded(dir, c, 100_000, replicas)
		if err != nil {
			return all, err
		}
		p.x = float64(replicas)
		all.points = append(all.points, p)
	}
	return all, nil
}

// drainSeeded returns what workers and Redis spend on a job while the queue has about backlog jobs. Of a long queue it measures half at
// most; it measures a short queue whole, many times.
func drainSeeded(dir string, c contender, backlog, replicas int) (point, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return point{}, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return point{}, err
	}
	for range replicas {
		p, err := c.work(b, "sms")
		if err != nil {
			return point{}, err
		}
		b.workers = append(b.workers, p)
	}
	// The start of the programs and their first sends are not measured.
	if err := b.seed(5000, 0); err != nil {
		return point{}, err
	}
	b.resume()
	if err := until(time.Minute, b.empty); err != nil {
		return point{}, err
	}
	jobs, times := backlog, min(max(1, 20_000/backlog), 300)
	if backlog >= 100_000 {
		jobs = min(backlog/2, 100_000)
	}
	var redisCPU, workerCPU, took time.Duration
	for i := range times {
		_, r0, w0 := b.spent()
		if err := b.seed(backlog, i+1); err != nil {
			return point{}, err
		}
		if backlog > seedBatch { // seeding took a while, and the channel is paused
			_, r0, w0 = b.spent()
		}
		begin := time.Now()
		b.resume()
		done := b.empty
		if jobs < backlog {
			done = func() bool { return b.waiting() <= int64(backlog-jobs) }
		}
		if err := until(5*time.Minute, done); err != nil {
			return point{}, err
		}
		took += time.Since(begin)
		_, r1, w1 := b.spent()
		redisCPU, workerCPU = redisCPU+r1-r0, workerCPU+w1-w0
	}
	n := float64(jobs * times)
	p := point{x: float64(backlog), cost: cost{redis: float64(redisCPU.Nanoseconds()) / 1e3 / n, worker: float64(workerCPU.Nanoseconds()) / 1e3 / n}}
	if backlog >= 10_000 {
		p.note = fmt.Sprintf("%.0f jobs per second", n/took.Seconds())
	}
	return p, nil
}

func (b *bench) empty() bool {
	return b.waiting() == 0 && b.client.ZCard(context.Background(), "{ringup:sms}:inflight").Val() == 0
}

// seedBatch is the most jobs that one run of the script makes.
const seedBatch = 5000

// seeds copies one real job many times inside Redis. Each copy has its own webhook id of 15 bytes, at the 13th byte of the job.
var seeds = redis.NewScript(`
local all = {}
for i = 1, tonumber(ARGV[3]) do
  all[i] = string.sub(ARGV[1], 1, 12) .. string.format('%03d_%011d', ARGV[4], ARGV[2] + i) .. string.sub(ARGV[1], 28)
end
redis.call('RPUSH', KEYS[1], unpack(all))
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('RPUSH', KEYS[2], '1') end
return redis.status_reply('OK')`)

// seed puts n jobs into the queue. More than one batch, and the first round, are put there while the channel is paused.
func (b *bench) seed(n, round int) error {
	ctx := context.Background()
	const list, wake = "{ringup:sms}:queue:4", "{ringup:sms}:wake"
	if n > seedBatch || round == 0 {
		if err := b.pause(); err != nil {
			return err
		}
	}
	if b.raw == "" {
		if err := post(b.url, signed(payload("seeded", 0, 3))); err != nil { // its id has 15 bytes, its priority is the lowest
			return err
		}
		raw, err := b.client.RPop(ctx, list).Result()
		if err != nil {
			return fmt.Errorf("no job to copy: %w", err)
		}
		b.raw = raw
	}
	for done := 0; done < n; done += seedBatch {
		if err := seeds.Run(ctx, b.client, []string{list, wake}, b.raw, done, min(seedBatch, n-done), round%1000).Err(); err != nil {
			return err
		}
	}
	return nil
}

// byShards returns the cost of a webhook on one Redis and on a cluster.
func byShards(dir string, c contender) (curve, error) {
	all := curve{title: "Redis", x: "shards of a cluster (1: a single Redis)", unit: "webhook"}
	for _, shards := range []int{0, 3} {
		progress("%d shards", shards)
		x, err := median(dir, c, setting{shards: shards}, true)
		if err != nil {
			return all, err
		}
		all.points = append(all.points, point{x: float64(max(1, shards)), cost: x, note: fmt.Sprintf("%.1f µs on the busiest Redis", x.busiest)})
	}
	return all, nil
}

// byRecipients returns the cost of a message by the number of recipients per channel.
func byRecipients(dir string, c contender) (curve, error) {
	all := curve{title: "Recipients", x: "recipients per channel", unit: "message"}
	for _, recipients := range []int{1, 3, 10, 30} {
		progress("%d recipients", recipients)
		x, err := median(dir, c, setting{recipients: recipients, webhooks: max(1000, *webhooks/recipients)}, true)
		if err != nil {
			return all, err
		}
		messages := float64(recipients * len(channels))
		note := fmt.Sprintf("%.0f µs per webhook", x.total())
		x.ingest, x.redis, x.worker = x.ingest/messages, x.redis/messages, x.worker/messages
		all.points = append(all.points, point{x: float64(recipients), cost: x, note: note})
	}
	return all, nil
}

// bySize returns the cost of a webhook by the size of its payload.
func bySize(dir string, c contender) (curve, error) {
	all := curve{title: "Payload", x: "bytes", unit: "webhook"}
	for _, size := range []int{200, 500, 1000, 2000, 5000, 20_000, 50_000, 200_000} {
		progress("%d bytes", size)
		n := *webhooks
		if size > 5000 {
			n = max(500, *webhooks*5000/size)
		}
		x, err := median(dir, c, setting{size: size, webhooks: n}, true)
		if err != nil {
			return all, err
		}
		all.points = append(all.points, point{x: float64(size), cost: x, note: fmt.Sprintf("%.2f µs per byte", x.total()/float64(size))})
	}
	return all, nil
}

// paint draws the curves beside each other, both axes logarithmic.
func paint(curves []curve, file string) error {
	var plots []*plot.Plot
	for _, c := range curves {
		if len(c.points) < 3 {
			continue // the table has them; two points do not make a curve
		}
		p := plot.New()
		p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.x, "CPU-µs per "+c.unit
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
		p.BackgroundColor = color.White
		p.Legend.Top = true
		p.Add(plotter.NewGrid())
		for i, part := range []struct {
			name string
			of   func(point) float64
			ink  color.Color
		}{
			{"together", func(x point) float64 { return x.total() }, color.RGBA{0x1f, 0x29, 0x37, 0xff}},
			{"workers", func(x point) float64 { return x.worker }, color.RGBA{0x25, 0x63, 0xeb, 0xff}},
			{"Redis", func(x point) float64 { return x.redis }, color.RGBA{0xdc, 0x26, 0x26, 0xff}},
			{"ingest", func(x point) float64 { return x.ingest }, color.RGBA{0x05, 0x96, 0x69, 0xff}},
		} {
			xys := plotter.XYs{}
			for _, x := range c.points {
				if y := part.of(x); y > 0 {
					xys = append(xys, plotter.XY{X: x.x, Y: y})
				}
			}
			if len(xys) == 0 {
				continue
			}
			line, dots, err := plotter.NewLinePoints(xys)
			if err != nil {
				return err
			}
			line.Color, dots.Color, dots.Shape = part.ink, part.ink, draw.CircleGlyph{}
			line.Width = vg.Points(map[bool]float64{true: 2, false: 1.2}[i == 0])
			p.Add(line, dots)
			p.Legend.Add(part.name, line)
		}
		p.Y.Min = 1
		p.Y.Max *= 3 // room for the legend
		plots = append(plots, p)
	}
	const columns = 2
	rows := (len(plots) + columns - 1) / columns
	canvas := vgsvg.New(vg.Points(840), vg.Points(float64(rows)*300))
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Points(16), PadY: vg.Points(16), PadTop: vg.Points(8), PadBottom: vg.Points(8), PadLeft: vg.Points(8), PadRight: vg.Points(8)}
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Path())
	for i, p := range plots {
		p.Draw(tiles.At(all, i%columns, i/columns))
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err = canvas.WriteTo(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
