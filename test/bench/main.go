// Command bench measures what a webhook costs: ringup's real programs on a real Redis, beside what one would write with asynq and the
// floor of a bare handler, in the same run. It prints a table, ratios first. CPU is user and system time of each process, by /proc.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

var (
	webhooks = flag.Int("n", 20000, "webhooks of a measurement")
	rounds   = flag.Int("rounds", 3, "how often each contender is measured; the median counts")
	waiting  = flag.Int("waiting", 1_000_000, "jobs that wait, for the cost of a long queue")
	profiles = flag.String("profiles", "", "measure ringup alone, and write the CPU profiles of its programs into this folder")
	warm     = flag.Int("warm", 20000, "webhooks before a measurement: a day's, so that what is kept of each (the deduplication's records) has its usual shape")
	fsync    = flag.String("appendfsync", "everysec", "Redis's, as the production overlay has it; always for a write on every command")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func build(bin string) error {
	for _, step := range [][]string{
		{"../..", "./cmd/ingest", "./cmd/worker", "./cmd/admin"}, {".", "./baseline/asynq", "./baseline/bare"},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", bin + "/"}, step[1:]...)...)
		cmd.Dir = step[0]
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

func run() error {
	dir, err := os.MkdirTemp("", "ringup-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	progress := func(format string, args ...any) { fmt.Fprintf(os.Stderr, "… "+format+"\n", args...) }
	progress("building")
	if err := build(bin); err != nil {
		return err
	}
	all := contenders(bin)
	ringup, asynq, bare, floor := all[0], all[1], all[2], all[3]
	if *profiles != "" {
		return profile(dir, ringup, floor, *profiles)
	}
	accept, whole := map[string]cost{}, map[string]cost{}
	for _, c := range []contender{ringup, asynq, bare, floor} {
		progress("%s: accepting", c.name)
		if accept[c.name], err = median(dir, c, false); err != nil {
			return err
		}
		if c.work != nil {
			progress("%s: accepted to sent", c.name)
			if whole[c.name], err = median(dir, c, true); err != nil {
				return err
			}
		}
	}
	progress("memory")
	bytesOurs, err := memory(dir, ringup)
	if err != nil {
		return err
	}
	bytesTheirs, err := memory(dir, asynq)
	if err != nil {
		return err
	}
	bytesKept, err := kept(dir, ringup)
	if err != nil {
		return err
	}
	progress("idle, for half a minute each")
	commandsOurs, memoryOurs, err := idle(dir, ringup)
	if err != nil {
		return err
	}
	commandsTheirs, memoryTheirs, err := idle(dir, asynq)
	if err != nil {
		return err
	}
	progress("1,000 jobs waiting")
	short, err := drainShort(dir, ringup)
	if err != nil {
		return err
	}
	progress("%d jobs waiting", *waiting)
	long, desk, err := drain(dir, ringup, *waiting, bin)
	if err != nil {
		return err
	}
	progress("latency at rest")
	p50, p99, err := latency(dir, ringup, bin)
	if err != nil {
		return err
	}
	progress("start to ready")
	readyIngest, err := ready(dir, bin+"/ingest", "WEBHOOK_SECRET=x")
	if err != nil {
		return err
	}
	readyWorker, err := ready(dir, bin+"/worker", "CHANNEL=sms", "SMS_PROVIDER=sandbox")
	if err != nil {
		return err
	}
	progress("latency under load")
	loaded := map[string][]string{}
	for _, c := range []contender{ringup, asynq} {
		if loaded[c.name], err = underLoad(dir, c, accept[c.name].perSecond, 0.1, 0.5, 0.9); err != nil {
			return err
		}
	}
	size := len(payload("bench", 0))
	var report strings.Builder
	fmt.Fprintf(&report, "ringup, %d webhooks a measurement, median of %d, three jobs a webhook, payload of %d bytes, appendfsync %s, %d cores, %s\n\n",
		*webhooks, *rounds, size, *fsync, runtime.NumCPU(), runtime.Version())
	fmt.Fprintln(&report, "| | ratio | ringup | against | target | |\n|---|---|---|---|---|---|")
	row := func(what string, ratio float64, ours, theirs string, target float64, met bool) {
		fmt.Fprintf(&report, "| %s | %.3f | %s | %s | %.2f | %s |\n", what, ratio, ours, theirs, target, map[bool]string{true: "met", false: "**missed**"}[met])
	}
	micros := func(x float64) string { return fmt.Sprintf("%.1f µs", x) }
	w, v := whole[ringup.name], whole[asynq.name]
	row("CPU per webhook, accepted to sent", w.total()/v.total(), micros(w.total()), micros(v.total())+" chi + asynq", 0.10, w.total() <= v.total()*0.10)
	a, t := accept[ringup.name], accept[asynq.name]
	row("CPU per webhook accepted", a.total()/t.total(), micros(a.total()), micros(t.total())+" chi + asynq", 0.25, a.total() <= t.total()*0.25)
	row("… against a bare handler with one RPUSH", a.total()/accept[bare.name].total(), micros(a.total()), micros(accept[bare.name].total()), 1, a.total() < accept[bare.name].total())
	row("Redis memory per waiting job", bytesOurs/float64(size+100), fmt.Sprintf("%.0f B", bytesOurs), fmt.Sprintf("%d B payload + 100; asynq %.0f B", size, bytesTheirs), 1, bytesOurs <= float64(size+100))
	row("cost per job, many waiting against 1,000", long/short, micros(long), micros(short), 1.1, long <= short*1.1)
	fmt.Fprintln(&report, "\n| | ringup | target | |\n|---|---|---|---|")
	figure := func(what, ours, target string, met bool) {
		fmt.Fprintf(&report, "| %s | %s | %s | %s |\n", what, ours, target, map[bool]string{true: "met", false: "**missed**"}[met])
	}
	figure("webhook to provider call at rest, p50 / p99", fmt.Sprintf("%.2f / %.2f ms", ms(p50), ms(p99)), "p99 5 ms", p99 < 5*time.Millisecond)
	figure(fmt.Sprintf("dashboard with %d webhooks' jobs waiting: slowest page (%s)", *waiting, desk.page), fmt.Sprintf("%.0f ms", ms(desk.slowest)), "well under 1 s", desk.slowest < 500*time.Millisecond)
	figure("… and what an open page costs Redis", fmt.Sprintf("%.2f%% of a core", 100*desk.redis), "1%", desk.redis < 0.01)
	_, _ = fmt.Fprintf(&report, "| Redis memory kept of a webhook that is sent, for a day | %.0f B | | |\n", bytesKept)
	figure("idle worker, Redis commands a second", fmt.Sprintf("%.2f (asynq %.2f)", commandsOurs, commandsTheirs), "2", commandsOurs < 2)
	figure("idle worker, memory", fmt.Sprintf("%.1f MiB (asynq %.1f)", memoryOurs, memoryTheirs), "25 MiB", memoryOurs < 25)
	megabytes := func(program string) float64 {
		info, err := os.Stat(filepath.Join(bin, program))
		if err != nil {
			return 0
		}
		return float64(info.Size()) / 1e6
	}
	figure("a payment_complete behind them, POST to sent, p50 / p99", fmt.Sprintf("%.1f / %.1f ms", ms(desk.p50), ms(desk.p99)), "none", true)
	figure("program, ingest / worker / admin; the image has little else", fmt.Sprintf("%.0f / %.0f / %.0f MB", megabytes("ingest"), megabytes("worker"), megabytes("admin")),
		"image under 40 MB", max(megabytes("ingest"), megabytes("worker"), megabytes("admin")) < 40)
	figure("start to ready, ingest / worker", fmt.Sprintf("%.0f / %.0f ms", ms(readyIngest), ms(readyWorker)), "150 ms", max(readyIngest, readyWorker) < 150*time.Millisecond)
	fmt.Fprintln(&report, "\nWhere the CPU goes, µs a webhook:\n\n| | ingest | Redis | workers | Redis commands a job, those in scripts too | webhooks a second, offered by one generator |\n|---|---|---|---|---|---|")
	for _, c := range all {
		x := accept[c.name]
		fmt.Fprintf(&report, "| %s, accepting | %.1f | %.1f | | %.1f | %.0f |\n", c.name, x.ingest, x.redis, x.commands, x.perSecond)
		if c.work != nil {
			x := whole[c.name]
			fmt.Fprintf(&report, "| %s, to sent | %.1f | %.1f | %.1f | %.1f | %.0f |\n", c.name, x.ingest, x.redis, x.worker, x.commands, x.perSecond)
		}
	}
	fmt.Fprintln(&report, "\nFrom when a webhook is due to its answer, p50 / p99, in an open loop (the generator has one of the same cores):\n\n| | 10% of what it takes | 50% | 90% |\n|---|---|---|---|")
	for _, c := range []contender{ringup, asynq} {
		fmt.Fprintf(&report, "| %s | %s |\n", c.name, strings.Join(loaded[c.name], " | "))
	}
	_, err = os.Stdout.WriteString(report.String())
	return err
}
