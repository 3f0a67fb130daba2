// Command bench measures the cost of a webhook. In one run it compares ringup's real programs on a real Redis with the same service
// written with asynq and with BullMQ, and with a bare handler as the floor. It prints a table, ratios first. CPU is the user and system
// time of each process, by /proc. With -growth it measures how the costs grow instead, and draws them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

var (
	webhooks = flag.Int("n", 10000, "webhooks per measurement")
	rounds   = flag.Int("rounds", 3, "how often each contender is measured; the median counts")
	waiting  = flag.Int("waiting", 1_000_000, "waiting jobs, for the cost of a long queue")
	profiles = flag.String("profiles", "", "measure ringup alone, and write the CPU profiles of its programs into this folder")
	warm     = flag.Int("warm", 10000, "webhooks before a measurement: as many as in a day, so that the deduplication records have their usual shape")
	alone    = flag.Bool("native", false, "measure only the cost of accepting a sale in its sender's own form, beside the same sale by /webhooks/pos; with -profiles, Shopify's alone")
	growth   = flag.String("growth", "", "measure how the costs grow with waiting jobs, replicas, shards, recipients and payloads, and draw the curves into this file (SVG)")
)

func main() {
	flag.Parse()
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func build(bin string) error {
	steps := [][]string{
		{"../..", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin + "/", "./cmd/ingest", "./cmd/worker", "./cmd/admin"},
		{".", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin + "/", "./baseline/asynq", "./baseline/bare"},
	}
	if *alone {
		steps = steps[:1] // only ringup is measured
	} else if npm() {
		steps = append(steps, []string{"baseline/bullmq", "npm", "ci", "--silent"})
	} else {
		progress("npm is not installed: NestJS and BullMQ are left out")
	}
	for _, step := range steps {
		cmd := exec.Command(step[1], step[2:]...)
		cmd.Dir = step[0]
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step[1:], " "), err, out)
		}
	}
	return nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05")+" "+format+"\n", args...)
}

func run(out io.Writer) error {
	dir, err := os.MkdirTemp("", "ringup-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	progress("building")
	if err := build(bin); err != nil {
		return err
	}
	c := contenders(bin)
	if *profiles != "" && *alone {
		return profileNative(out, dir, c.ringup, *profiles)
	}
	if *profiles != "" {
		return profile(out, dir, c.ringup, c.floor, *profiles)
	}
	if *growth != "" {
		return grow(out, dir, c.ringup, *growth)
	}
	if *alone {
		return printNative(out, dir, c.ringup)
	}
	f, err := measureAll(dir, bin, &c)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, f.report(bin, &c))
	return err
}

// figures are the results of all measurements, by the contender's name where there are several.
type figures struct {
	accept, whole, always, overHTTP map[string]cost
	memory                          map[string]float64 // bytes of a waiting job
	records                         float64            // bytes that a webhook leaves in Redis once it is sent
	commands, mebibytes             map[string]float64 // of an idle worker
	short, long                     float64            // µs per job
	native                          []nativeCost
	admin                           adminCost
	p50, p99                        time.Duration
	readyIngest, readyWorker        time.Duration
	loaded                          map[string][]string
}

func measureAll(dir, bin string, c *contest) (*figures, error) {
	f := &figures{
		accept: map[string]cost{}, whole: map[string]cost{}, always: map[string]cost{}, overHTTP: map[string]cost{}, memory: map[string]float64{},
		commands: map[string]float64{}, mebibytes: map[string]float64{}, loaded: map[string][]string{},
	}
	var err error
	for _, one := range c.all() {
		progress("%s: accepting", one.name)
		if f.accept[one.name], err = median(dir, one, setting{}, false); err != nil {
			return nil, err
		}
		if one.work == nil {
			continue
		}
		for what, under := range map[string]struct {
			setting
			into map[string]cost
		}{
			"accepted to sent":                       {setting{}, f.whole},
			"accepted to sent, fsync on every write": {setting{always: true}, f.always},
			"accepted to sent, by HTTP":              {setting{overHTTP: true}, f.overHTTP},
		} {
			progress("%s: %s", one.name, what)
			if under.into[one.name], err = median(dir, one, under.setting, true); err != nil {
				return nil, err
			}
		}
		progress("%s: memory, and idle", one.name)
		if f.memory[one.name], err = memory(dir, one); err != nil {
			return nil, err
		}
		if f.commands[one.name], f.mebibytes[one.name], err = idle(dir, one); err != nil {
			return nil, err
		}
		progress("%s: latency under load", one.name)
		if f.loaded[one.name], err = underLoad(dir, one, f.accept[one.name].perSecond, 0.1, 0.5, 0.9); err != nil {
			return nil, err
		}
	}
	if f.native, err = measureNative(dir, c.ringup); err != nil {
		return nil, err
	}
	progress("the records of sent webhooks")
	if f.records, err = records(dir, c.ringup); err != nil {
		return nil, err
	}
	progress("1,000 jobs waiting")
	if f.short, err = drainShort(dir, c.ringup, 1000, 24); err != nil {
		return nil, err
	}
	progress("%d jobs waiting", *waiting)
	if f.long, f.admin, err = drain(dir, c.ringup, *waiting, bin); err != nil {
		return nil, err
	}
	progress("latency at rest")
	if f.p50, f.p99, err = latency(dir, c.ringup, bin); err != nil {
		return nil, err
	}
	progress("start to ready")
	if f.readyIngest, err = ready(dir, bin+"/ingest", "WEBHOOK_SECRET="+secret); err != nil {
		return nil, err
	}
	f.readyWorker, err = ready(dir, bin+"/worker", "CHANNEL=sms", "SMS_PROVIDER=sandbox")
	return f, err
}

func (f *figures) report(bin string, c *contest) string {
	var b strings.Builder
	micros := func(x float64) string { return fmt.Sprintf("%.1f µs", x) }
	size := len(payload("bench", 0, 0))
	fmt.Fprintf(&b, "ringup, %d webhooks per measurement, median of %d, three jobs per webhook, payload of %d bytes, appendfsync everysec, %d cores, %s\n\n",
		*webhooks, *rounds, size, runtime.NumCPU(), runtime.Version())

	fmt.Fprintln(&b, "| | ratio | ringup | against | target | |\n|---|---|---|---|---|---|")
	row := func(what string, ours, theirs float64, unit func(float64) string, whose string, target float64) {
		goal, met := "", ""
		if target > 0 {
			goal, met = fmt.Sprintf("%.2f", target), verdict(ours <= theirs*target)
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %s%s | %s | %s |\n", what, ours/theirs, unit(ours), unit(theirs), whose, goal, met)
	}
	against := func(what string, costs map[string]cost, other contender, target float64) {
		if theirs, measured := costs[other.name]; measured {
			row(what, costs[c.ringup.name].total(), theirs.total(), micros, " "+other.name, target)
		}
	}
	against("CPU per webhook, accepted to sent", f.whole, c.asynq, 0.10)
	against("…", f.whole, c.bullmq, 0)
	against("… fsync on every write", f.always, c.asynq, 0)
	against("…", f.always, c.bullmq, 0)
	against("… messages sent to a local HTTP server", f.overHTTP, c.asynq, 0)
	against("…", f.overHTTP, c.bullmq, 0)
	against("CPU per webhook accepted", f.accept, c.asynq, 0.25)
	against("…", f.accept, c.bullmq, 0)
	against("…", f.accept, c.bare, 1)
	row("Redis memory per waiting job", f.memory[c.ringup.name], float64(size+100), func(x float64) string { return fmt.Sprintf("%.0f B", x) }, " payload and 100", 1)
	row("cost per job, many waiting against 1,000", f.long, f.short, micros, "", 1.1)

	b.WriteString(nativeTable(f.native))

	fmt.Fprintln(&b, "\n| | ringup | target | |\n|---|---|---|---|")
	figure := func(what, ours, target string, met bool) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", what, ours, target, verdict(met))
	}
	others := func(values map[string]float64, form string) string {
		var texts []string
		for _, other := range []contender{c.asynq, c.bullmq} {
			if x, measured := values[other.name]; measured {
				texts = append(texts, fmt.Sprintf("%s "+form, other.name, x))
			}
		}
		return " (" + strings.Join(texts, ", ") + ")"
	}
	figure("webhook to provider call at rest, p50 / p99", fmt.Sprintf("%.2f / %.2f ms", ms(f.p50), ms(f.p99)), "p99 5 ms", f.p99 < 5*time.Millisecond)
	figure(fmt.Sprintf("dashboard with %d webhooks' jobs waiting: slowest page (%s)", *waiting, f.admin.page), fmt.Sprintf("%.0f ms", ms(f.admin.slowest)), "well under 1 s",
		f.admin.slowest < 500*time.Millisecond)
	figure("… and the cost of an open page in Redis", fmt.Sprintf("%.2f%% of a core", 100*f.admin.redis), "1%", f.admin.redis < 0.01)
	figure("a payment_complete behind them, POST to sent, p50 / p99", fmt.Sprintf("%.1f / %.1f ms", ms(f.admin.p50), ms(f.admin.p99)), "none", true)
	figure("Redis memory of a waiting job", fmt.Sprintf("%.0f B%s", f.memory[c.ringup.name], others(f.memory, "%.0f")), "as above", f.memory[c.ringup.name] <= float64(size+100))
	fmt.Fprintf(&b, "| Redis memory of the records of a sent webhook, for a day | %.0f B | | |\n", f.records)
	figure("idle worker, Redis commands per second", fmt.Sprintf("%.2f%s", f.commands[c.ringup.name], others(f.commands, "%.2f")), "2", f.commands[c.ringup.name] < 2)
	figure("idle worker, memory in MiB", fmt.Sprintf("%.1f%s", f.mebibytes[c.ringup.name], others(f.mebibytes, "%.1f")), "25", f.mebibytes[c.ringup.name] < 25)
	var sizes []float64
	for _, program := range []string{"ingest", "worker", "admin"} {
		if info, err := os.Stat(filepath.Join(bin, program)); err == nil {
			sizes = append(sizes, float64(info.Size())/1e6)
		}
	}
	figure("program, ingest / worker / admin; the image has little else", strings.ReplaceAll(strings.Trim(fmt.Sprintf("%.0f", sizes), "[]"), " ", " / ")+" MB", "image under 40 MB",
		len(sizes) == 3 && max(sizes[0], sizes[1], sizes[2]) < 40)
	figure("start to ready, ingest / worker", fmt.Sprintf("%.0f / %.0f ms", ms(f.readyIngest), ms(f.readyWorker)), "150 ms", max(f.readyIngest, f.readyWorker) < 150*time.Millisecond)

	fmt.Fprintln(&b, "\nWhere the CPU goes, µs per webhook:\n\n| | ingest | Redis | workers | Redis commands per job, those in scripts too | webhooks per second, offered by one generator |\n|---|---|---|---|---|---|")
	for _, one := range c.all() {
		for _, kind := range []struct {
			what  string
			costs map[string]cost
		}{{"accepting", f.accept}, {"to sent", f.whole}, {"to sent, fsync on every write", f.always}, {"to sent, by HTTP", f.overHTTP}} {
			if x, measured := kind.costs[one.name]; measured {
				fmt.Fprintf(&b, "| %s, %s | %.1f | %.1f | %.1f | %.1f | %.0f |\n", one.name, kind.what, x.ingest, x.redis, x.worker, x.commands, x.perSecond)
			}
		}
	}
	fmt.Fprintln(&b, "\nFrom the time at which a webhook is due to its answer, p50 / p99, in an open loop (the generator has one of the same cores):\n\n| | 10% of its capacity | 50% | 90% |\n|---|---|---|---|")
	for _, one := range c.all() {
		if texts, measured := f.loaded[one.name]; measured {
			fmt.Fprintf(&b, "| %s | %s |\n", one.name, strings.Join(texts, " | "))
		}
	}
	return b.String()
}
