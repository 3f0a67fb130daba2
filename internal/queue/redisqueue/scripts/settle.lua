-- settle ends claims, and keeps the providers' breakers.
-- KEYS  as of claim, and 11 base:completed
-- ARGV  1 base, 2 KEEP_COMPLETED, 3 KEEP_FAILED, 4 STATUS_TTL (ms), 5 BREAKER_FAILURES, 6 BREAKER_WINDOW (ms), 7 BREAKER_OPEN_MIN (ms),
--       8 BREAKER_OPEN_MAX (ms), 9 tokens to debit, 10 number of providers, 11 number of reports, 12 number of settlements;
--       the providers in order; for each report: provider, sent, failed, 1 account, hold (ms), 1 probed, reason;
--       for each settlement: action, bytes, new bytes, delay (ms), event for the record or ''.
--       Actions: c complete, r retry or defer, b back to the list, f fail, d drop.
-- Returns indices (from 1) of settlements whose lease had ended, for which nothing was done; failed jobs that fell off; for
--       each provider whose breaker is not closed: its name, state, until (ms), reason.
local base, keep_completed, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[4]
local now = clock()
local providers, reports, settlements = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local at = 13 + providers

-- The breakers.
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
          call('HDEL', KEYS[8], 'breaker')
        end
      end
    else
      if b.state == 'H' and now >= b.til then b.state = 'C' end
      if now - b.window > window then b.window, b.ok, b.bad = now, 0, 0 end
      b.ok, b.bad = b.ok + sent, b.bad + failed
      if b.bad >= tonumber(ARGV[5]) and b.bad >= b.ok then trip = true end
    end
    if trip then
      b.til = now + math.min(open_min * 2 ^ b.opens, open_max)
      b.state, b.opens, b.probe, b.reason = 'O', math.min(b.opens + 1, 30), 0, reason
    elseif hold > 0 and (b.state == 'C' or b.state == 'H') then
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
  for i = 1, providers do fields[i] = 'b:' .. ARGV[12 + i] end
  local texts, open, reasons = call('HMGET', KEYS[9], unpack(fields)), 0, ''
  for i = 1, providers do
    if texts[i] then
      local b = load_breaker(texts[i])
      if b.state ~= 'C' then
        for _, v in ipairs({ARGV[12 + i], b.state, string.format('%.0f', b.til), b.reason}) do breakers[#breakers + 1] = v end
      end
      if b.state == 'O' then
        open = open + 1
        reasons = reasons .. (reasons == '' and '' or '; ') .. ARGV[12 + i] .. ': ' .. b.reason
      end
    end
  end
  if open == providers then call('HSET', KEYS[8], 'breaker', reasons) end
end

-- The settlements. A lease is there or it is not: one look for all of them, one removal.
local lost, evicted = {}, {}
if settlements == 0 then return {lost, evicted, breakers} end
local raws, release = {}, false
for i = 0, settlements - 1 do
  raws[i + 1] = ARGV[at + i * 5 + 1]
  release = release or ARGV[at + i * 5] == 'b'
end
ours('ZCARD', KEYS[5], KEYS[7], KEYS[11])
ours('HLEN', base .. ':totals')
if release then ours('LLEN', KEYS[1], KEYS[2], KEYS[3], KEYS[4]) end
local held = call('ZMSCORE', KEYS[6], unpack(raws))
call('ZREM', KEYS[6], unpack(raws))
local total = {c = 0, f = 0, r = 0, b = 0, d = 0}
local completed, failed, retry, back = {}, {}, {}, {{}, {}, {}, {}}
for i = 1, settlements do
  local action, raw, new, delay, event = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 5
  if not held[i] then
    lost[#lost + 1] = i
  else
    total[action] = total[action] + 1
    if action == 'c' then
      if keep_completed > 0 then
        completed[#completed + 1] = now
        completed[#completed + 1] = raw
      else
        let_go(base, raw)
      end
    elseif action == 'r' then
      retry[#retry + 1] = now + tonumber(delay)
      retry[#retry + 1] = new
    elseif action == 'f' then
      failed[#failed + 1] = now
      failed[#failed + 1] = new
    elseif action == 'b' then
      local list = back[priority(raw)]
      list[#list + 1] = raw
    else
      let_go(base, raw)
    end
    if event ~= '' and readable(raw) then note(base, raw, event, ttl) end
  end
end
for _, action in ipairs({'c', 'f', 'r', 'd'}) do
  if total[action] > 0 then call('HINCRBY', base .. ':totals', action, total[action]) end
end
if #retry > 0 then call('ZADD', KEYS[5], unpack(retry)) end
if #completed > 0 then
  call('ZADD', KEYS[11], unpack(completed))
  trim(base, KEYS[11], keep_completed)
end
if #failed > 0 then
  call('ZADD', KEYS[7], unpack(failed))
  evicted = trim(base, KEYS[7], tonumber(ARGV[3]))
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
