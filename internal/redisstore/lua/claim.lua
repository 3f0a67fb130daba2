-- claim does the housekeeping (due retries and ended leases go back to their lists), then takes up to n jobs under a lease.
-- KEYS  1-4 base:queue:1-4, 5 base:retry, 6 base:inflight, 7 base:failed, 8 base:halted, 9 base:state, 10 base:wake
-- ARGV  1 base, 2 n (0: housekeeping alone), 3 LEASE (ms), 4 PRIORITY_AGING (ms), 5 RATE_LIMIT (a second; 0: none), 6 RATE_BURST,
--       7 1 to take back ended leases, 8 MAX_CRASHES, 9 1 for ON_UNCERTAIN=fail, 10 KEEP_FAILED, 11 STATUS_TTL (ms),
--       12 RECIPIENT_LIMIT (0: none), 13… the providers in order
-- Returns jobs; bodies stored apart as key, body, …; index of the provider (from 0) or -1; index of the provider that the first
--       job probes or -1; ms until there is something to do (-1: nothing known); why nothing may be claimed or ''; 1 when the rate
--       limit kept jobs waiting; due retries moved; leases taken back; jobs set aside; failed jobs that fell off; what is to be known of
--       some of the jobs: the job's index (from 1), 's' and the entry of its recipient on the list of those who get nothing, or 'l' and
--       when (ms) its recipient may be written to again.
local base, n, lease, aging, rate, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]),
  tonumber(ARGV[6])
local now = clock()
local moved, reaped, aside, evicted = 0, 0, 0, {}
local asked = n -- n shrinks to what the rate limit and a probe allow

-- Due retries, and what was held until now, go to the head of their lists, the earliest first in line: they are older than what waits
-- there.
for _, from in ipairs({base .. ':held', KEYS[5]}) do
  local due = call('ZRANGEBYSCORE', from, '-inf', now, 'LIMIT', 0, 500)
  if #due > 0 then
    ours('LLEN', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
    call('ZREM', from, unpack(due))
  end
  local lists = {{}, {}, {}, {}}
  for i = #due, 1, -1 do
    local list = lists[priority(due[i])]
    list[#list + 1] = due[i]
  end
  for p = 1, 4 do push('LPUSH', KEYS[p], lists[p]) end
  moved = moved + #due
end

-- Ended leases: the bytes change with the crash counter, so whoever held the lease can no longer settle it.
if ARGV[7] == '1' then
  local ended = call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, 500)
  if #ended > 0 then
    ours('LLEN', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
    ours('ZCARD', KEYS[7])
    call('ZREM', KEYS[6], unpack(ended))
  end
  for i = #ended, 1, -1 do
    local e = ended[i]
    local give_up = nil
    if readable(e) then
      local crashes, flags = math.min(byte(e, 4) + 1, 255), byte(e, 5)
      if floor(flags / 2) % 2 == 0 then flags = flags + 2 end
      e = sub(e, 1, 3) .. char(crashes, flags) .. sub(e, 6)
      if crashes >= tonumber(ARGV[8]) then
        give_up = 'its worker died or stalled ' .. crashes .. ' times while sending it (MAX_CRASHES)'
      elseif ARGV[9] == '1' then
        give_up = 'its worker died or stalled while sending it: it may have gone out (ON_UNCERTAIN=fail)'
      end
      note(base, e, string.format('{"t":%.0f,"s":"%s","e":"%s"}\n', now, give_up and 'failed' or 'lost',
        give_up or 'its worker died or stalled while sending it; it is sent again'), ARGV[11])
    else
      give_up = ''
    end
    if give_up then
      call('ZADD', KEYS[7], ended_at(now, e), with_error(e, give_up))
      aside = aside + 1
    else
      call('LPUSH', KEYS[priority(e)], e)
    end
  end
  reaped = #ended
  if aside > 0 then evicted = trim(base, KEYS[7], tonumber(ARGV[10])) end
end

local remarks = {}
local function answer(jobs, bodies, provider, probe, wait, halted, throttled)
  if wait ~= 0 then
    for _, from in ipairs({KEYS[5], base .. ':held'}) do
      local next_due = call('ZRANGE', from, 0, 0, 'WITHSCORES')[2]
      if next_due then
        local ms = math.max(1, tonumber(next_due) - now)
        if wait < 0 or ms < wait then wait = ms end
      end
    end
    -- An idle worker comes back when somebody's lease ends, if it is not renewed by then.
    local next_end = ARGV[7] == '1' and asked > 0 and call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')[2]
    if next_end then
      local ms = math.max(1, tonumber(next_end) - now)
      if wait < 0 or ms < wait then wait = ms end
    end
  end
  return {jobs, bodies, provider, probe, math.ceil(wait), halted, throttled, moved, reaped, aside, evicted, remarks}
end

if n == 0 then
  if moved + reaped - aside > 0 then wake(KEYS[10]) end
  return answer({}, {}, -1, -1, -1, '', 0)
end

local why = call('HMGET', KEYS[8], 'paused', 'breaker')
if why[1] then return answer({}, {}, -1, -1, -1, 'paused ' .. why[1], 0) end

-- Which provider: the first whose breaker lets messages through; one before it that is due for a probe gets one job. One that has just
-- recovered gets a share that grows, as long as another can take the rest.
local fields = {'tokens', 'at', 'turn'}
for i = 13, #ARGV do fields[#fields + 1] = 'b:' .. ARGV[i] end
local state = call('HMGET', KEYS[9], unpack(fields))
local provider, probe, open_until, next_probe, recovering = -1, -1, nil, lease, -1
for i = 13, #ARGV do
  local text = state[i - 9]
  if not text then
    provider = i - 13
    break
  end
  local b = load_breaker(text)
  if b.state == 'O' and now >= b.til and now >= b.probe then
    if probe < 0 then probe = i - 13 else next_probe = 0 end
  elseif b.state == 'R' and now < b.til and (now - b.probe) / (b.til - b.probe) * 1000 < call('TIME')[2] % 1000 then
    if recovering < 0 then recovering = i - 13 end
  elseif b.state == 'C' or b.state == 'R' or (b.state == 'H' and now >= b.til) then
    provider = i - 13
    break
  else
    local til = math.max(b.til, b.probe)
    if not open_until or til < open_until then open_until = til end
  end
end
if provider < 0 then provider = recovering end
if provider < 0 and probe < 0 then
  return answer({}, {}, -1, -1, math.max(1, open_until - now), why[2] or 'held by the provider', 0)
end
if provider < 0 then n = 1 elseif why[2] then call('HDEL', KEYS[8], 'breaker') end

-- The rate limit: a token bucket, refilled by Redis's clock.
local tokens, throttled = 0, 0
if rate > 0 then
  tokens = tonumber(state[1] or burst)
  tokens = math.min(burst, tokens + math.max(0, now - tonumber(state[2] or now)) * rate / 1000)
  if tokens < n then
    n = floor(tokens)
    throttled = 1
  end
end

-- Take: by priority; where jobs have waited longer than the aging, the oldest of them gets every second place.
local jobs, heads = {}, {}
local turn = state[3] ~= '0'
local function look(p)
  local e = call('LINDEX', KEYS[p], 0)
  heads[p] = e and accepted(e) or nil
end
for p = 1, 4 do look(p) end
if heads[1] or heads[2] or heads[3] or heads[4] then
  ours('ZCARD', KEYS[6])
  ours('HLEN', base .. ':suppressed')
end
while #jobs < n do
  local first, oldest, lists = nil, nil, 0
  for p = 1, 4 do
    if heads[p] then
      lists = lists + 1
      if not first then first = p end
      if now - heads[p] > aging and (not oldest or heads[p] < heads[oldest]) then oldest = p end
    end
  end
  if not first then break end
  local from, count = first, n - #jobs
  if oldest and lists > 1 then
    if turn then from = oldest end
    turn = not turn
    count = 1
  end
  for _, e in ipairs(call('LPOP', KEYS[from], count)) do jobs[#jobs + 1] = e end
  look(from)
end
local left = heads[1] or heads[2] or heads[3] or heads[4]

local bodies, have = {}, {}
if #jobs > 0 then
  local leases = {}
  for i, e in ipairs(jobs) do
    leases[#leases + 1] = now + lease
    leases[#leases + 1] = e
    local key = (byte(e, 5) or 0) % 2 == 1 and body_key(base, e)
    if key and not have[key] then
      have[key] = true
      bodies[#bodies + 1] = key
      local body = redis.pcall('HGET', key, 'b')
      bodies[#bodies + 1] = type(body) == 'string' and body or ''
    end
  end
  for i = 1, #leases, 1000 do call('ZADD', KEYS[6], unpack(leases, i, math.min(i + 999, #leases))) end
  if probe >= 0 then
    local b = load_breaker(state[probe + 4])
    b.probe = now + lease
    save_breaker(KEYS[9], ARGV[13 + probe], b)
  end
end

-- Who gets nothing: one look for all. Nobody is on the list, mostly, and then it is not there.
local hour, limit, unwelcome = 3600000, tonumber(ARGV[12]), {}
if #jobs > 0 and call('EXISTS', base .. ':suppressed') == 1 then
  local addresses = {}
  for i, e in ipairs(jobs) do addresses[i] = readable(e) and addressee(e) or '' end
  for i, entry in ipairs(call('HMGET', base .. ':suppressed', unpack(addresses))) do
    if entry then
      unwelcome[i] = true
      for _, v in ipairs({i, 's', entry}) do remarks[#remarks + 1] = v end
    end
  end
end
-- Who was written to often enough in the last hour: base:recent:<address> has the times, and the jobs, so that a job counts once.
if limit > 0 then
  for i, e in ipairs(jobs) do
    local address, customer = '', false
    if readable(e) and not unwelcome[i] then address, customer = addressee(e) end
    if customer then
      local key, me, recent, counted = base .. ':recent:' .. address, log_field(e), {}, false
      local entries = redis.pcall('LRANGE', key, 0, -1)
      if entries.err then
        entries, counted = {}, true -- somebody else's key: nothing is counted
      end
      for _, entry in ipairs(entries) do
        local at, who = string.match(entry, '^(%d+) (.*)$')
        if tonumber(at) > now - hour then recent[#recent + 1] = tonumber(at) end
        counted = counted or who == me
      end
      if not counted and #recent >= limit then
        for _, v in ipairs({i, 'l', string.format('%.0f', recent[#recent - limit + 1] + hour)}) do remarks[#remarks + 1] = v end
      elseif not counted then
        call('RPUSH', key, string.format('%.0f %s', now, me))
        call('LTRIM', key, -limit, -1)
        call('PEXPIRE', key, hour)
      end
    end
  end
end
local new_turn = turn and '1' or '0'
if rate > 0 then
  if #jobs == 0 then goes_on_when_full(KEYS[6]) end
  tokens = tokens - #jobs
  call('HSET', KEYS[9], 'tokens', string.format('%.4f', tokens), 'at', string.format('%.0f', now), 'turn', new_turn)
elseif (state[3] or '1') ~= new_turn then
  call('HSET', KEYS[9], 'turn', new_turn)
end
if #jobs == 0 then probe = -1 end

if not left then return answer(jobs, bodies, provider, probe, -1, '', 0) end
if throttled == 1 then
  return answer(jobs, bodies, provider, probe, math.max(1, math.ceil((1 - tokens) * 1000 / rate)), '', 1)
end
if provider >= 0 then
  wake(KEYS[10])
  return answer(jobs, bodies, provider, probe, 0, '', 0)
end
-- A probe is out; another provider's may go out at once, or before this one's lease ends.
if open_until then next_probe = math.min(next_probe, math.max(1, open_until - now)) end
if next_probe == 0 then wake(KEYS[10]) end
return answer(jobs, bodies, provider, probe, next_probe, why[2] or 'a probe is out', 0)
