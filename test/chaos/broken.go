package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// change replaces a text of a source file.
type change struct{ file, old, new string }

// broken has mistakes that a change could bring into ringup. A run has to catch each.
var broken = map[string][]change{
	// A job is settled as sent when its send begins.
	"settle-before-send": {{
		"internal/worker/claim.go", "			w.pool.tasks <- task{one, b}\n",
		"			w.endUnhandled(one, queue.Done{})\n			w.pool.tasks <- task{one, b}\n",
	}},
	// A claimed job is only in its worker's memory.
	"no-lease": {
		{"internal/redisstore/lua/claim.lua", "for i = 1, n * 2, 1000 do call('ZADD'", "for i = 1, 0, 1000 do call('ZADD'"},
		{"internal/redisstore/lua/settle.lua", "local leases = call('ZMSCORE', inflight_key, unpack(raws))", "local leases = raws"},
	},
	// A claim reads jobs and removes them in two round trips, with other workers in between.
	"non-atomic-claim": {{
		"internal/redisstore/consumer.go", "	answers, err := c.store.run(ctx, calls...)\n", `	if request != nil && request.Max > 0 {
		for _, list := range c.keys.Queue {
			seen := c.store.client.LRange(ctx, list, 0, int64(request.Max)-1).Val()
			if len(seen) == 0 {
				continue
			}
			pipe := c.store.client.Pipeline()
			pipe.LTrim(ctx, list, int64(len(seen)), -1)
			claim := &queue.Claim{}
			for _, raw := range seen {
				pipe.ZAdd(ctx, c.keys.Inflight, redis.Z{Score: float64(time.Now().Add(c.config.Lease).UnixMilli()), Member: raw})
				one := &queue.Claimed{Raw: []byte(raw)}
				one.Job, one.Err = job.Decode(c.channel, one.Raw)
				if one.Err == nil && one.Job.SharedBody {
					one.Job.Body, _ = c.store.client.HGet(ctx, c.keys.body(one.Job), "b").Bytes()
				}
				claim.Jobs = append(claim.Jobs, one)
			}
			if _, err := pipe.Exec(ctx); err != nil || batch == nil {
				return &queue.Settled{}, claim, err
			}
			answers, err := c.store.run(ctx, calls[:1]...)
			if err != nil {
				return nil, claim, err
			}
			settled, err := batch.read(answers[0].Val())
			return settled, claim, err
		}
	}
	answers, err := c.store.run(ctx, calls...)
`,
	}},
}

func names() []string { return slices.Sorted(maps.Keys(broken)) }

// mistake returns the changes that make a broken build; nil for the name "". An unknown name is an error.
func mistake(name string) ([]change, error) {
	changes, known := broken[name]
	if name != "" && !known {
		return nil, fmt.Errorf("no broken build is called %q: there are %s", name, strings.Join(names(), ", "))
	}
	return changes, nil
}

// overlay writes changed copies of source files into dir, and returns the argument that makes go build use them instead of those under
// roots. A text that is not in its file exactly once is an error.
func overlay(dir string, roots map[string][]change) (string, error) {
	texts := map[string]string{}
	for root, changes := range roots {
		for _, c := range changes {
			path := filepath.Join(root, c.file)
			if _, read := texts[path]; !read {
				text, err := os.ReadFile(path)
				if err != nil {
					return "", err
				}
				texts[path] = string(text)
			}
			if strings.Count(texts[path], c.old) != 1 {
				return "", fmt.Errorf("%s has changed, and no longer has %q once", c.file, c.old)
			}
			texts[path] = strings.Replace(texts[path], c.old, c.new, 1)
		}
	}
	replace := map[string]string{}
	for path, text := range texts {
		replace[path] = filepath.Join(dir, fmt.Sprintf("overlay-%d%s", len(replace), filepath.Ext(path)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return "-overlay=" + file, os.WriteFile(file, text, 0o600)
}
