-- claim does the housekeeping (due jobs and ended leases go back to their lists), then takes up to max jobs under a lease.
-- ARGV  max 0: housekeeping alone; bytes: what the jobs' shared bodies may add up to (0: no limit; below 0: not even the first job may be of one); rate (tokens per second) 0: no limit.
-- Answers jobs; bodies, the shared ones, as key, body, …; provider, counted from 0, or -1; probe, the provider that the first job tries, or
--       -1; wait, ms until there is something to do (-1: nothing known); halted, why nothing may be claimed; throttled, when the rate limit
--       left jobs waiting; full, when bytes did; promoted, reaped and set_aside, how many due jobs, ended leases and given-up jobs were moved; evicted, the failed jobs that
--       fell off; listed, whether anybody is on the suppression list, so that the recipients have to be looked up (recipients.lua).
local now = clock()
local promoted, reaped, set_aside, evicted = 0, 0, 0, {}
local want = max -- shrinks to what the rate limit and a probe allow

-- Due jobs go back to their lists.
for _, from in ipairs({held_key, retry_key}) do
  local due = call('ZRANGEBYSCORE', from, '-inf', now, 'LIMIT', 0, 500)
  if #due > 0 then
    ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4])
    call('ZREM', from, unpack(due))
    come_back_all(KEYS, queue_at, due)
    promoted = promoted + #due
  end
end

-- Ended leases: the bytes change with the crash counter, so that the worker that had the lease can no longer settle it.
if reap then
  local ended = call('ZRANGEBYSCORE', inflight_key, '-inf', now, 'LIMIT', 0, 500)
  if #ended > 0 then
    ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4])
    ours('ZCARD', failed_key)
    call('ZREM', inflight_key, unpack(ended))
  end
  local back = {}
  for i = 1, #ended do
    local e = ended[i]
    local give_up = nil
    if readable(e) then
      local crashes, flags = math.min(byte(e, 4) + 1, 255), byte(e, 5)
      if floor(flags / 2) % 2 == 0 then flags = flags + 2 end
      e = sub(e, 1, 3) .. char(crashes, flags) .. sub(e, 6)
      if crashes >= max_crashes then
        give_up = 'its worker died or stalled ' .. crashes .. ' times while sending it (MAX_CRASHES)'
      elseif fail_uncertain then
        give_up = 'its worker died or stalled while sending it: it may have gone out (ON_UNCERTAIN=fail)'
      end
      note(base, e, string.format('{"t":%.0f,"s":"%s","e":"%s"}\n', now, give_up and 'failed' or 'lost',
        give_up or 'its worker died or stalled while sending it; it is sent again'), status_ttl)
    else
      give_up = ''
    end
    if give_up then
      call('ZADD', failed_key, ended_at(failed_key, now, e), with_error(e, give_up))
      set_aside = set_aside + 1
    else
      back[#back + 1] = e
    end
  end
  come_back_all(KEYS, queue_at, back)
  reaped = #ended
  if set_aside > 0 then
    evicted = trim(base, failed_key, keep_failed)
    tally(base, now, {f = set_aside, e = #evicted})
  end
end

-- finish completes an answer: with the results of the housekeeping, and with a wait that is no longer than until the next thing to do.
local function finish(a)
  a.promoted, a.reaped, a.set_aside, a.evicted = promoted, reaped, set_aside, evicted
  local wait = a.wait
  if wait ~= 0 then
    local froms = {retry_key, held_key}
    -- An idle worker comes back when a lease ends, if it is not renewed by then.
    if reap and max > 0 then froms[3] = inflight_key end
    for _, from in ipairs(froms) do
      local soonest = call('ZRANGE', from, 0, 0, 'WITHSCORES')[2]
      if soonest then
        local ms = math.max(1, tonumber(soonest) - now)
        if wait < 0 or ms < wait then wait = ms end
      end
    end
  end
  a.wait = math.ceil(wait)
  return answer(a)
end

if max == 0 then
  -- Jobs that are there already wait for a worker, too: the one that took their token may hang.
  local waits = promoted + reaped - set_aside > 0
  for p = 1, 4 do
    local n = redis.pcall('LLEN', KEYS[queue_at + p])
    waits = waits or type(n) == 'number' and n > 0
  end
  if waits then
    goes_on_when_full(inflight_key)
    wake(wake_key)
  end
  return finish{provider = -1, probe = -1, wait = -1}
end

local why = call('HMGET', halted_key, 'paused', 'breaker')
if why[1] then return finish{provider = -1, probe = -1, wait = -1, halted = 'paused ' .. why[1]} end

local fields = {'tokens', 'at', 'turn'}
for i = 1, provider_n do fields[i + 3] = 'b:' .. ARGV[provider_at + i] end
local state = call('HMGET', state_key, unpack(fields))
local provider, probe, more_probes, free_at = choose_provider(now, state, 3, provider_n)
if provider < 0 and probe < 0 then
  return finish{provider = -1, probe = -1, wait = math.max(1, free_at - now), halted = why[2] or 'throttled by the provider'}
end
if provider < 0 then want = 1 elseif why[2] then call('HDEL', halted_key, 'breaker') end

-- The rate limit: a token bucket, refilled by Redis's clock.
local tokens, throttled = 0, false
if rate > 0 then
  tokens = tonumber(state[1] or burst)
  tokens = math.min(burst, tokens + math.max(0, now - tonumber(state[2] or now)) * rate / 1000)
  if tokens < want then
    want = floor(tokens)
    throttled = true
  end
end

-- Take: by priority; where jobs have waited longer than the aging, the oldest of them gets every second turn.
local jobs, n, heads = {}, 0, {}
local turn = state[3] ~= '0'
local function look(p)
  local e = call('LINDEX', KEYS[queue_at + p], 0)
  heads[p] = e and accepted(e) or nil
end
for p = 1, 4 do look(p) end
if heads[1] or heads[2] or heads[3] or heads[4] then
  ours('ZCARD', inflight_key)
  ours('HLEN', suppressed_key)
end
while n < want do
  local first, oldest, lists = nil, nil, 0
  for p = 1, 4 do
    if heads[p] then
      lists = lists + 1
      if not first then first = p end
      if now - heads[p] > aging and (not oldest or heads[p] < heads[oldest]) then oldest = p end
    end
  end
  if not first then break end
  local from, count = first, want - n
  if oldest and lists > 1 then
    if turn then from = oldest end
    turn = not turn
    count = 1
  end
  for _, e in ipairs(call('LPOP', KEYS[queue_at + from], count)) do
    n = n + 1
    jobs[n] = e
  end
  look(from)
end
-- What the bodies add up to: jobs beyond that stand at the heads of their lists again. Bodies inside of jobs are small.
local full, taken, read = false, 0, {}
local function body_of(key)
  if not read[key] then read[key] = body_bytes(key) end
  return read[key]
end
if bytes ~= 0 then
  for i = 1, n do
    local key = (byte(jobs[i], 5) or 0) % 2 == 1 and body_key(base, jobs[i])
    if key then taken = taken + #body_of(key) end
    if key and taken > bytes and (i > 1 or bytes < 0) then
      for back = n, i, -1 do
        local p = priority(jobs[back])
        call('LPUSH', KEYS[queue_at + p], jobs[back])
        look(p)
        jobs[back] = nil
      end
      full, n = true, i - 1
      break
    end
  end
end
local left = heads[1] or heads[2] or heads[3] or heads[4]

local bodies, have = {}, {}
if n > 0 then
  local leases = {}
  for i, e in ipairs(jobs) do
    leases[i * 2 - 1] = now + lease
    leases[i * 2] = e
    local key = (byte(e, 5) or 0) % 2 == 1 and body_key(base, e)
    if key and not have[key] then
      have[key] = true
      bodies[#bodies + 1] = key
      bodies[#bodies + 1] = body_of(key)
    end
  end
  for i = 1, n * 2, 1000 do call('ZADD', inflight_key, unpack(leases, i, math.min(i + 999, n * 2))) end
  if probe >= 0 then
    local b = load_breaker(state[probe + 4])
    b.probe = now + lease
    save_breaker(state_key, ARGV[provider_at + probe + 1], b)
  end
end

local new_turn = turn and '1' or '0'
if rate > 0 then
  if n == 0 then goes_on_when_full(inflight_key) end
  tokens = tokens - n
  call('HSET', state_key, 'tokens', string.format('%.4f', tokens), 'at', string.format('%.0f', now), 'turn', new_turn)
elseif (state[3] or '1') ~= new_turn then
  call('HSET', state_key, 'turn', new_turn)
end
if n == 0 then probe = -1 end

local claimed = {jobs = jobs, bodies = bodies, provider = provider, probe = probe, wait = -1, listed = n > 0 and call('EXISTS', suppressed_key) == 1}
claimed.full = full
if not left then return finish(claimed) end
if throttled then
  claimed.throttled, claimed.wait = true, math.max(1, math.ceil((1 - tokens) * 1000 / rate))
elseif provider >= 0 then
  wake(wake_key)
  claimed.wait = 0
else
  -- A probe is out; another provider's may go out at once, or before this one's lease ends.
  claimed.halted, claimed.wait = why[2] or 'a probe is out', more_probes and 0 or lease
  if free_at then claimed.wait = math.min(claimed.wait, math.max(1, free_at - now)) end
  if claimed.wait == 0 then wake(wake_key) end
end
return finish(claimed)
