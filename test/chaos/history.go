package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// aging is PRIORITY_AGING's default, which the workers have.
const aging = time.Minute

// history replays an append-only file: every change of the lists and sets, one transaction after the other. After each transaction,
//
//   - every job is in exactly one list or set, or was trimmed from completed;
//   - a claim has left no job of a higher priority than one that it took. Jobs that had waited for longer than PRIORITY_AGING, by the clock
//     of the claim, may be taken first.
type history struct {
	lists  map[string][]string
	sets   map[string]map[string]float64
	copies map[string]int  // by job: the number of lists and sets that have it
	ended  map[string]bool // jobs that were trimmed from completed
	found  []string

	touched map[string]bool // jobs that this transaction changed
	taken   []taken         // jobs that this transaction took

	transactions, claims, contested int // contested: claims that left jobs waiting, while jobs of several priorities waited
}

// taken is a job that went from a list to inflight.
type taken struct {
	channel string
	list    int // from 1
	raw     string
}

// readHistory replays the append-only file of a server that began empty and never rewrote it. A command on jobs that the replay cannot
// follow is an error.
func readHistory(dir string) (*history, error) {
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		files = []string{filepath.Join(dir, "appendonly.aof")} // Redis 6.2
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%d append-only files in %s, where one was expected", len(files), dir)
	}
	file, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	h := &history{
		lists: map[string][]string{}, sets: map[string]map[string]float64{}, copies: map[string]int{}, ended: map[string]bool{}, touched: map[string]bool{},
	}
	in := bufio.NewReaderSize(file, 1<<20)
	within := false
	for {
		command, err := readCommand(in)
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[0], err)
		}
		switch name := strings.ToUpper(command[0]); name {
		case "MULTI":
			within = true
			continue
		case "EXEC":
			within = false
		default:
			if err := h.apply(name, command[1:]); err != nil {
				return nil, err
			}
		}
		if !within {
			h.check()
		}
	}
}

// readCommand reads a command in Redis's protocol: *2, $3, GET, $1, k.
func readCommand(in *bufio.Reader) ([]string, error) {
	length := func(mark byte) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
		if err != nil || line[0] != mark {
			return 0, fmt.Errorf("%.20q is no %c and a length", line, mark)
		}
		return n, nil
	}
	n, err := length('*')
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := length('$')
		if err != nil {
			return nil, err
		}
		value := make([]byte, size+2)
		if _, err := io.ReadFull(in, value); err != nil {
			return nil, err
		}
		command[i] = string(value[:size])
	}
	return command, nil
}

// watched splits the key of a list or set of jobs. ok is false for every other key.
func watched(key string) (channel, kind string, ok bool) {
	rest, ok := strings.CutPrefix(key, "{ringup:")
	if !ok {
		return "", "", false
	}
	channel, kind, _ = strings.Cut(rest, "}:")
	switch kind {
	case "queue:1", "queue:2", "queue:3", "queue:4", "retry", "inflight", "failed", "completed":
		return channel, kind, true
	}
	return "", "", false
}

// apply repeats a command.
func (h *history) apply(name string, args []string) error {
	if len(args) == 0 {
		return nil
	}
	key := args[0]
	channel, kind, ok := watched(key)
	if !ok {
		return nil
	}
	set := h.sets[key]
	if set == nil && !strings.HasPrefix(kind, "queue:") {
		set = map[string]float64{}
		h.sets[key] = set
	}
	switch name {
	case "RPUSH":
		for _, raw := range args[1:] {
			h.lists[key] = append(h.lists[key], raw)
			h.moved(channel, raw, 1)
		}
	case "LPUSH":
		h.lists[key] = append(slices.Grow(slices.Clone(args[1:]), len(h.lists[key])), h.lists[key]...)
		slices.Reverse(h.lists[key][:len(args)-1])
		for _, raw := range args[1:] {
			h.moved(channel, raw, 1)
		}
	case "LPOP":
		n := 1
		if len(args) > 1 {
			n, _ = strconv.Atoi(args[1])
		}
		h.cut(channel, kind, key, min(n, len(h.lists[key])))
	case "LTRIM":
		from, _ := strconv.Atoi(args[1])
		to, _ := strconv.Atoi(args[2])
		switch {
		case to == -1:
			h.cut(channel, kind, key, min(from, len(h.lists[key])))
		case from == 0 && to >= 0: // the younger ones, before others come back
			h.cutEnd(channel, key, min(to+1, len(h.lists[key])))
		default:
			return fmt.Errorf("the replay does not know LTRIM from %d to %d", from, to)
		}
	case "ZADD":
		return h.zadd(channel, set, args[1:])
	case "ZREM":
		for _, raw := range args[1:] {
			h.remove(channel, kind, set, raw)
		}
	case "ZPOPMIN":
		n := 1
		if len(args) > 1 {
			n, _ = strconv.Atoi(args[1])
		}
		h.popMin(channel, kind, set, n)
	case "ZREMRANGEBYRANK":
		to, err := strconv.Atoi(args[2])
		if err != nil || args[1] != "0" || to < 0 {
			return fmt.Errorf("the replay does not know ZREMRANGEBYRANK %s %s", args[1], args[2])
		}
		h.popMin(channel, kind, set, to+1)
	default:
		return fmt.Errorf("the replay does not know %s, by which %s was changed", name, key)
	}
	return nil
}

// cut removes the first n jobs of a list.
func (h *history) cut(channel, kind, key string, n int) {
	for _, raw := range h.lists[key][:n] {
		h.moved(channel, raw, -1)
		h.taken = append(h.taken, taken{channel, int(kind[len(kind)-1] - '0'), raw})
	}
	h.lists[key] = h.lists[key][n:]
}

// cutEnd removes the jobs of a list but for the first n.
func (h *history) cutEnd(channel, key string, n int) {
	for _, raw := range h.lists[key][n:] {
		h.moved(channel, raw, -1)
	}
	h.lists[key] = h.lists[key][:n]
}

func (h *history) zadd(channel string, set map[string]float64, args []string) error {
	changing := false
	for len(args) > 0 && (args[0] == "XX" || args[0] == "NX") {
		changing = changing || args[0] == "XX"
		args = args[1:]
	}
	for i := 0; i+1 < len(args); i += 2 {
		score, err := strconv.ParseFloat(args[i], 64)
		if err != nil {
			return fmt.Errorf("the replay does not know ZADD with %q", args[i])
		}
		raw := args[i+1]
		_, there := set[raw]
		if !there && changing {
			continue
		}
		set[raw] = score
		if !there {
			h.moved(channel, raw, 1)
		}
	}
	return nil
}

func (h *history) remove(channel, kind string, set map[string]float64, raw string) {
	if _, there := set[raw]; !there {
		return
	}
	delete(set, raw)
	h.moved(channel, raw, -1)
	if kind == "completed" {
		h.ended[name(channel, raw)] = true
	}
}

// popMin removes the n jobs with the lowest scores from a set.
func (h *history) popMin(channel, kind string, set map[string]float64, n int) {
	for range min(n, len(set)) {
		first, any := "", false
		for raw, score := range set {
			if !any || score < set[first] || score == set[first] && raw < first {
				first, any = raw, true
			}
		}
		h.remove(channel, kind, set, first)
	}
}

// name returns the id of the job with these bytes, whatever its attempts; the start of the bytes where they are no job's.
func name(channel, raw string) string {
	j, err := job.Decode(message.Channel(channel), []byte(raw))
	if err != nil {
		return fmt.Sprintf("%s:%.40q", channel, raw)
	}
	return j.ID()
}

func (h *history) moved(channel, raw string, by int) {
	id := name(channel, raw)
	h.copies[id] += by
	h.touched[id] = true
}

func (h *history) wrong(format string, args ...any) {
	h.found = append(h.found, fmt.Sprintf("transaction %d: ", h.transactions)+fmt.Sprintf(format, args...))
}

// check notes jobs that a transaction has lost, doubled or taken in the wrong order.
func (h *history) check() {
	if len(h.touched) == 0 {
		return
	}
	h.transactions++
	for id := range h.touched {
		switch n := h.copies[id]; {
		case n == 0 && h.ended[id]:
			delete(h.copies, id)
			delete(h.ended, id)
		case n != 1:
			h.wrong("%s is in %d lists or sets", id, n)
		}
	}
	h.order()
	clear(h.touched)
	h.taken = h.taken[:0]
}

// order compares the jobs that a claim took with those that it left.
func (h *history) order() {
	if len(h.taken) == 0 {
		return
	}
	channel := h.taken[0].channel
	base := "{ringup:" + channel + "}:"
	// Jobs that come back to a list pass older ones, which leave it and return to it in the same transaction.
	h.taken = slices.DeleteFunc(h.taken, func(t taken) bool {
		_, leased := h.sets[base+"inflight"][t.raw]
		return !leased && slices.Contains(h.lists[base+"queue:"+strconv.Itoa(t.list)], t.raw)
	})
	if len(h.taken) == 0 {
		return
	}
	h.claims++
	waiting := map[int]bool{}
	for _, t := range h.taken {
		waiting[t.list] = true
	}
	left := 0
	for p := 1; p <= 4; p++ {
		if len(h.lists[base+"queue:"+strconv.Itoa(p)]) > 0 {
			waiting[p] = true
			left++
		}
	}
	if left > 0 && len(waiting) > 1 {
		h.contested++
	}
	for _, t := range h.taken {
		ends, leased := h.sets[base+"inflight"][t.raw]
		j, err := job.Decode(message.Channel(channel), []byte(t.raw))
		if err != nil || !leased {
			h.wrong("%s was taken off its list without a lease", name(channel, t.raw))
			continue
		}
		waited := time.UnixMilli(int64(ends)).Add(-lease).Sub(j.AcceptedAt)
		for p := 1; p < t.list; p++ {
			if over := h.lists[base+"queue:"+strconv.Itoa(p)]; len(over) > 0 && waited <= aging {
				h.wrong("%s (priority %d) was taken after %s, while %s (priority %d) was left", j.ID(), t.list, waited, name(channel, over[0]), p)
			}
		}
	}
}
