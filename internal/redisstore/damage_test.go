package redisstore

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/redistest"
)

// damage is Lua that breaks a script, and the settings and the health of the providers under which it shows soon.
type damage struct {
	name, lua string
	where     func(*rules)
	ill       bool
}

// damages break a script on purpose, each where the script calls Redis: Lua that stands in the shim (protocol_test.go), with the name of the
// command and its arguments. The model has to notice every one.
var damages = []damage{
	{name: "settle does not look at the lease", lua: `
		if 'SCRIPT' == 'settle' and name == 'ZMSCORE' then
		  local all = {}
		  for i = 2, select('#', ...) do all[i - 1] = '1' end
		  return all
		end`},
	{name: "a job that is reaped keeps its bytes", lua: `
		if 'SCRIPT' == 'claim' and name == 'LPUSH' then
		  local a = {...}
		  for i = 2, #a do
		    local crashes = string.byte(a[i], 4)
		    if crashes > 0 then a[i] = string.sub(a[i], 1, 3) .. string.char(crashes - 1) .. string.sub(a[i], 5) end
		  end
		  return real.call(name, unpack(a))
		end`},
	{name: "a claim leaves the jobs in their list", lua: `
		if 'SCRIPT' == 'claim' and name == 'LPOP' then
		  local key, n = ...
		  return real.call('LRANGE', key, 0, n - 1)
		end`},
	{name: "a due retry stays where it was, too", lua: `
		if 'SCRIPT' == 'claim' and name == 'ZREM' and string.find(..., ':retry') then return 0 end`},
	{name: "a renewal revives a lease that is no more", lua: `
		if 'SCRIPT' == 'renew' and name == 'ZMSCORE' then
		  local all = {}
		  for i = 2, select('#', ...) do all[i - 1] = '1' end
		  return all
		end
		if 'SCRIPT' == 'renew' and name == 'ZADD' then
		  local key, _, score, job = ...
		  return real.call('ZADD', key, score, job)
		end`},
	{name: "a job that is set aside goes nowhere", lua: `
		if 'SCRIPT' == 'claim' and name == 'ZADD' and string.find(..., ':failed') then return 0 end`},
	{name: "a webhook is added each time that it comes", lua: `
		if 'SCRIPT' == 'enqueue' and name == 'HSETNX' then
		  real.call(name, ...)
		  return 1
		end`},
	{name: "a shared body goes with the first but one of its jobs", lua: `
		if name == 'HINCRBY' and string.find(..., ':body:') then
		  local key, field, n = ...
		  if tonumber(n) < 0 then return real.call(name, key, field, -2) end
		end`},
	{name: "a shared body stays for ever", lua: `
		if name == 'DEL' and string.find(..., ':body:') then return 0 end`},
	{name: "no worker is woken", lua: `
		if name == 'RPUSH' and string.find(..., ':wake') then return 0 end`},
	{name: "the rate limit's tokens are not taken", lua: `
		if 'SCRIPT' == 'claim' and name == 'HSET' and select(2, ...) == 'tokens' then return 0 end`, where: func(r *rules) { r.rate, r.maxDepth = 4, 0 }},
	{name: "two probes at a time", lua: `
		if 'SCRIPT' == 'claim' and name == 'HSET' and string.find(select(2, ...), 'b:') then return 0 end`, ill: true, where: func(r *rules) { r.failures, r.rate = 1, 0 }},
	{name: "released jobs go to the end of their list", lua: `
		if 'SCRIPT' == 'settle' and name == 'LPUSH' then return real.call('RPUSH', ...) end`},
	{name: "the last priority goes first", lua: `
		if 'SCRIPT' == 'claim' and (name == 'LPOP' or name == 'LINDEX') then
		  local a = {...}
		  a[1] = string.gsub(a[1], 'queue:([14])', {['1'] = 'queue:4', ['4'] = 'queue:1'})
		  return real.call(name, unpack(a))
		end`},
	{name: "a purge leaves no word in the jobs' logs", lua: `
		if 'SCRIPT' == 'purge' and name == 'HSET' then return 1 end`},
}

// onlooker is a test that only takes note of its failure.
type onlooker struct {
	*testing.T
	text strings.Builder
	bad  bool
}

func (o *onlooker) Logf(format string, args ...any)   { fmt.Fprintf(&o.text, format+"\n", args...) }
func (o *onlooker) Errorf(format string, args ...any) { o.bad = true; o.Logf(format, args...) }
func (o *onlooker) Fatalf(format string, args ...any) { o.Errorf(format, args...); runtime.Goexit() }
func (o *onlooker) Fail()                             { o.bad = true }
func (o *onlooker) FailNow()                          { o.bad = true; runtime.Goexit() }
func (o *onlooker) Failed() bool                      { return o.bad }

// TestModelNoticesDamage proves that the model can fail, and by what: `-v` shows what it said of each.
func TestModelNoticesDamage(t *testing.T) {
	t.Parallel()
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			client := server.Client()
			o := &onlooker{T: t}
			lived, noticed := 0, false
			for range 4 { // times -rapid.checks
				done := make(chan struct{})
				go func() {
					defer close(done)
					rapid.Check(o, func(r *rapid.T) {
						if noticed {
							return // once is enough: no shorter life is looked for, which rapid takes for a test that fails at random
						}
						noticed = true
						lived++
						life(r, url(server.Addr()), client, &d)
						noticed = false
					})
				}()
				if <-done; noticed {
					break
				}
			}
			if !noticed {
				t.Fatalf("it was not noticed in %d lives", lived)
			}
			_, said, _ := strings.Cut(o.text.String(), "Original traceback (")
			said, _, _ = strings.Cut(said, "):\n")
			t.Logf("noticed in life %d: %s", lived, said)
		})
	}
}
