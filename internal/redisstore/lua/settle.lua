-- settle ends claims, and keeps the providers' breakers.
-- KEYS  as of claim, and 11 base:completed
-- ARGV  1 base, 2 KEEP_COMPLETED, 3 KEEP_FAILED, 4 STATUS_TTL (ms), 5 BREAKER_FAILURES, 6 BREAKER_WINDOW (ms), 7 BREAKER_OPEN_MIN (ms),
--       8 BREAKER_OPEN_MAX (ms), 9 tokens to debit, 10 number of providers, 11 number of reports, 12 number of jobs that are complete,
--       13 number of other settlements, 14 BREAKER_RAMP (ms), 15 number of further changes; the providers in order; for each report: provider, sent, failed, 1 account, hold (ms), 1 probed,
--       reason; for each that is complete: bytes, and key, field and text of its log, or an event for a log that there is already and a
--       key of ''; for each other settlement: action, bytes, new bytes, delay (ms), event for its log or ''. Actions: r retry or defer,
--       h hold, b back to the list, f fail, d drop, s drop since its recipient gets nothing. For each further change, that goes with a
--       settlement whose lease held: its index (from 1), what, name, value, ms: 'suppress' address, entry; 'spend' field, amount;
--       'name' message id, job; 'keep' job, bytes for another try; 'move' job, bytes for another channel.
-- Returns indices (from 1) of settlements whose lease had ended, for which nothing was done; failed jobs that fell off; for
--       each provider whose breaker is not closed: its name, state, until (ms), reason.
local base, keep_completed, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[4]
local now = clock()
local providers, reports, complete, others = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local at = 16 + providers
local ramp, changes = tonumber(ARGV[14]), tonumber(ARGV[15])

-- The breakers.
if reports > 0 or tonumber(ARGV[9]) > 0 then goes_on_when_full(KEYS[6]) end
if tonumber(ARGV[9]) > 0 then call('HINCRBYFLOAT', KEYS[9], 'tokens', '-' .. ARGV[9]) end
local open_min, open_max, window = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[6])
for _ = 1, reports do
  local name, sent, failed = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local account, hold, probed, reason = ARGV[at + 3] == '1', tonumber(ARGV[at + 4]), ARGV[at + 5] == '1', ARGV[at + 6]
  at = at + 7
  local field = 'b:' .. name
  local text = call('HGET', KEYS[9], field)
  if text or failed > 0 or account or hold > 0 then
    local b = load_breaker(text)
    local trip = account
    if b.state == 'O' then
      -- Late answers of sends from before it opened say nothing new; the probe does.
      trip = false
      if probed then
        b.probe = 0
        if failed > 0 or account then
          trip = true
        elseif sent > 0 then
          b.state = ''
          if ramp > 0 and providers > 1 then
            b.state, b.probe, b.til, b.window, b.ok, b.bad = 'R', now, now + ramp, now, 0, 0
          end
          call('HDEL', KEYS[8], 'breaker')
        elseif hold > 0 then
          -- A 429 is no verdict; the next probe waits for as long as was asked for.
          b.til = math.max(b.til, now + hold)
        end
      end
    else
      if (b.state == 'H' or b.state == 'R') and now >= b.til then b.state, b.opens = 'C', 0 end
      if now - b.window > window then b.window, b.ok, b.bad = now, 0, 0 end
      b.ok, b.bad = b.ok + sent, b.bad + failed
      if b.bad >= tonumber(ARGV[5]) and b.bad >= b.ok then trip = true end
    end
    if trip then
      b.til = now + math.min(open_min * 2 ^ b.opens, open_max)
      b.state, b.opens, b.probe, b.reason = 'O', math.min(b.opens + 1, 30), 0, reason
    elseif hold > 0 and b.state ~= 'O' then
      b.state, b.til, b.reason = 'H', math.max(b.til, now + hold), reason
    end
    if b.state == '' or (b.state == 'C' and b.bad == 0) then
      call('HDEL', KEYS[9], field)
    else
      save_breaker(KEYS[9], name, b)
    end
  end
end
local breakers = {}
if providers > 0 then
  local fields = {}
  for i = 1, providers do fields[i] = 'b:' .. ARGV[15 + i] end
  local texts, open, reasons = call('HMGET', KEYS[9], unpack(fields)), 0, ''
  for i = 1, providers do
    if texts[i] then
      local b = load_breaker(texts[i])
      if b.state ~= 'C' then
        for _, v in ipairs({ARGV[15 + i], b.state, string.format('%.0f', b.til), b.reason}) do breakers[#breakers + 1] = v end
      end
      if b.state == 'O' then
        open = open + 1
        reasons = reasons .. (reasons == '' and '' or '; ') .. ARGV[15 + i] .. ': ' .. b.reason
      end
    end
  end
  if open == providers then call('HSET', KEYS[8], 'breaker', reasons) end
end

-- The settlements. A lease is there or it is not: one look for all of them, one removal.
local lost, evicted = {}, {}
local settlements = complete + others
if settlements == 0 then return {lost, evicted, breakers} end
local raws = {}
for i = 1, complete do raws[i] = ARGV[at + i * 4 - 4] end
local rest = at + complete * 4
local release = false
for i = 1, others do
  raws[complete + i] = ARGV[rest + i * 5 - 4]
  release = release or ARGV[rest + i * 5 - 5] == 'b'
end
ours('ZCARD', KEYS[5], KEYS[7], KEYS[11], base .. ':held')
ours('HLEN', base .. ':totals', KEYS[9])
if release then ours('LLEN', KEYS[1], KEYS[2], KEYS[3], KEYS[4]) end
local held = call('ZMSCORE', KEYS[6], unpack(raws))
call('ZREM', KEYS[6], unpack(raws))

-- What is complete, as nearly all is: one command for the logs of jobs that were accepted together, one for the set.
local completed, sent, apart, logs = {}, 0, false, {}
for i = 1, complete do
  if not held[i] then
    lost[#lost + 1] = i
  else
    local raw, key = raws[i], ARGV[at + i * 4 - 3]
    sent = sent + 1
    if keep_completed > 0 then
      completed[#completed + 1] = now
      completed[#completed + 1] = raw
      if byte(raw, 5) % 2 == 1 then apart = true end
    else
      let_go(base, raw)
    end
    if key ~= '' then
      local log = logs[key]
      if not log then
        log = {}
        logs[key] = log
      end
      log[#log + 1] = ARGV[at + i * 4 - 2]
      log[#log + 1] = ARGV[at + i * 4 - 1]
    else
      note(base, raw, ARGV[at + i * 4 - 1], ttl)
    end
  end
end
for key, log in pairs(logs) do
  if type(redis.pcall('HSET', key, unpack(log))) == 'number' then call('PEXPIRE', key, ttl) end
end
if #completed > 0 then
  call('ZADD', KEYS[11], unpack(completed))
  -- Where no job of the set has its body apart, what falls off need not be looked at.
  local last = tonumber(call('HGET', KEYS[9], 'apart') or 0)
  if apart and now > last then
    last = now
    call('HSET', KEYS[9], 'apart', string.format('%.0f', now))
  end
  local over = call('ZCARD', KEYS[11]) - keep_completed
  if over > 0 then
    if last > 0 and tonumber(call('ZRANGE', KEYS[11], 0, 0, 'WITHSCORES')[2]) <= last then
      trim(base, KEYS[11], keep_completed)
    else
      call('ZREMRANGEBYRANK', KEYS[11], 0, over - 1)
    end
  end
end

local total = {f = 0, r = 0, b = 0, d = 0, h = 0, s = 0}
local failed, retry, hold, back = {}, {}, {}, {{}, {}, {}, {}}
for i = complete + 1, settlements do
  local action, raw, new, delay, event = ARGV[rest], ARGV[rest + 1], ARGV[rest + 2], ARGV[rest + 3], ARGV[rest + 4]
  rest = rest + 5
  if not held[i] then
    lost[#lost + 1] = i
  else
    total[action] = total[action] + 1
    if action == 'r' then
      retry[#retry + 1] = now + tonumber(delay)
      retry[#retry + 1] = new
    elseif action == 'h' then
      hold[#hold + 1] = now + tonumber(delay)
      hold[#hold + 1] = new
    elseif action == 'f' then
      failed[#failed + 1] = ended_at(now, new)
      failed[#failed + 1] = new
    elseif action == 'b' then
      local list = back[priority(raw)]
      list[#list + 1] = new
    else
      let_go(base, raw)
    end
    if event ~= '' and readable(raw) then note(base, raw, event, ttl) end
  end
end
if sent > 0 then call('HINCRBY', base .. ':totals', 'c', sent) end
for _, action in ipairs({'f', 'r', 'd', 'h', 's'}) do
  if total[action] > 0 then call('HINCRBY', base .. ':totals', action, total[action]) end
end
if #retry > 0 then call('ZADD', KEYS[5], unpack(retry)) end
if #hold > 0 then call('ZADD', base .. ':held', unpack(hold)) end
if #failed > 0 then
  call('ZADD', KEYS[7], unpack(failed))
  evicted = trim(base, KEYS[7], tonumber(ARGV[3]))
end
for i = 0, changes - 1 do
  local of, what, name, value, ms = unpack(ARGV, rest + i * 5, rest + i * 5 + 4)
  if held[tonumber(of)] then
    -- A key of another type keeps nobody from settling.
    if what == 'suppress' then
      redis.pcall('HSETNX', base .. ':suppressed', name, value)
    elseif what == 'spend' then
      local key = string.format('%s:cost:%d', base, floor(now / 86400000))
      if type(redis.pcall('HINCRBY', key, name, value)) == 'number' then call('PEXPIRE', key, ms) end
    elseif what == 'name' then
      call('SET', base .. ':message:' .. name, value, 'PX', ms)
    elseif what == 'keep' then
      call('SET', base .. ':kept:' .. name, value, 'PX', ms)
    elseif what == 'move' then
      redis.pcall('RPUSH', base .. ':moves', value)
    end
  end
end
local returned = 0
for p = 1, 4 do
  -- Back to the head in the order they had.
  local list = back[p]
  for i = #list, 1, -1 do call('LPUSH', KEYS[p], list[i]) end
  returned = returned + #list
end
if returned > 0 then wake(KEYS[10]) end
return {lost, evicted, breakers}
