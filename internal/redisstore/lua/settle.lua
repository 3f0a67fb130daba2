-- settle ends claims: a job whose lease has not ended goes where its outcome says, and the costs, suppressions and copies that belong to the
-- outcome are written. It lets the providers' health change their breakers.
-- ARGV  done: the jobs that are complete. raw is their bytes; log_key, log_field and line are their log's, where this is the first line of
--       it; otherwise log_key is '' and the line is added to the log that there is.
--       ended: the other jobs. outcome is retry, defer, hold, release, fail, drop or suppress; next is the bytes from now on; delay (ms)
--       is of a retry, a deferral and a hold; lines are for the log, or ''.
--       cost, suppression, link (from a provider's message id to a job), alias (from one name of a person to another) and copy (for a redelivery, with the key of the shared
--       body that it refers to, or '') belong to the job with the number of, counted from 1: first those of done, then those of ended. They are written if its lease had not
--       ended.
-- Answers lost, the numbers of jobs whose lease had ended, for which nothing was done; evicted, the failed jobs that fell off; breakers, those
--       that are not closed.
local now = clock()

goes_on_when_full(inflight_key)
if tokens > 0 then call('HINCRBYFLOAT', state_key, 'tokens', -tokens) end
for i = 1, health_n do
  local provider, failed, throttle = ARGV[health_provider_at + i], tonumber(ARGV[health_failed_at + i]), tonumber(ARGV[health_throttle_at + i])
  local account, text = ARGV[health_account_at + i] == '1', call('HGET', state_key, 'b:' .. provider)
  -- Of a closed breaker there is mostly nothing to remember, and nothing to say.
  if text or failed > 0 or account or throttle > 0 then
    heed_health(now, state_key, halted_key, text, {
      failures = breaker_failures, window = breaker_window, open_min = breaker_open_min, open_max = breaker_open_max,
      ramp = provider_n > 1 and breaker_ramp or 0,
    }, {
      provider = provider, healthy = tonumber(ARGV[health_healthy_at + i]), failed = failed, account = account, throttle = throttle,
      probed = ARGV[health_probed_at + i] == '1', reason = ARGV[health_reason_at + i],
    })
  end
end
local breakers = breaker_states(state_key, halted_key, ARGV, provider_at, provider_n)

-- A lease is there or it is not: one look for all of them, one removal.
local settled = done_n + ended_n
if settled == 0 then return answer{breakers = breakers} end
local raws, released = {unpack(ARGV, done_raw_at + 1, done_raw_at + done_n)}, false
for i = 1, ended_n do
  raws[done_n + i] = ARGV[ended_raw_at + i]
  released = released or ARGV[ended_outcome_at + i] == 'release'
end
ours('ZCARD', retry_key, failed_key, completed_key, held_key)
ours('HLEN', totals_key, state_key)
if released then ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4]) end
local leases = call('ZMSCORE', inflight_key, unpack(raws))
call('ZREM', inflight_key, unpack(raws))

-- Redelivery copies, before their jobs let go of the bodies.
local kept = {}
for i = 1, copy_n do
  local body, til = ARGV[copy_body_at + i], now + tonumber(ARGV[copy_within_at + i])
  if body ~= '' and leases[tonumber(ARGV[copy_of_at + i])] and til > (kept[body] or 0) then
    kept[body] = til
    keep_body(body, til + copy_slack)
  end
end

-- Complete jobs, as nearly all are: one command for the logs of jobs that were accepted together, one for the set.
local lost, totals = {}, {}
local completed, sent, shared, logs, minute = {}, 0, false, {}, {}
-- As in ended_at, none is said to have ended before those that are in the set.
local latest = done_n > 0 and tonumber(call('ZRANGE', completed_key, -1, -1, 'WITHSCORES')[2]) or 0
local ended = latest > now and latest + 1 or now
for i = 1, done_n do
  if not leases[i] then
    lost[#lost + 1] = i
  else
    local raw, key = raws[i], ARGV[done_log_key_at + i]
    sent = sent + 1
    local took = delay_name(now - accepted(raw))
    minute[took] = (minute[took] or 0) + 1
    if keep_completed > 0 then
      completed[sent * 2 - 1] = ended
      completed[sent * 2] = raw
      if byte(raw, 5) % 2 == 1 then shared = true end
    else
      let_go(base, raw)
    end
    if key ~= '' then
      local log = logs[key]
      if not log then
        log = {}
        logs[key] = log
      end
      log[#log + 1] = ARGV[done_log_field_at + i]
      log[#log + 1] = ARGV[done_line_at + i]
    else
      note(base, raw, ARGV[done_line_at + i], status_ttl)
    end
  end
end
for key, log in pairs(logs) do
  if type(redis.pcall('HSET', key, unpack(log))) == 'number' then call('PEXPIRE', key, status_ttl) end
end
if #completed > 0 then
  call('ZADD', completed_key, unpack(completed))
  -- Where no job of the set has a shared body, the ones that fall off need not be looked at.
  local last = tonumber(call('HGET', state_key, 'apart') or 0)
  if shared and ended > last then
    last = ended
    call('HSET', state_key, 'apart', string.format('%.0f', ended))
  end
  local over = call('ZCARD', completed_key) - keep_completed
  if over > 0 then
    if last > 0 and tonumber(call('ZRANGE', completed_key, 0, 0, 'WITHSCORES')[2]) <= last then
      trim(base, completed_key, keep_completed)
    else
      call('ZREMRANGEBYRANK', completed_key, 0, over - 1)
    end
  end
end
totals.c = sent

-- The others. This is the only place where an outcome gets its meaning in Redis.
local retry, held, failed, back, evicted = {}, {}, {}, {{}, {}, {}, {}}, {}
local function put(set, score, job)
  set[#set + 1] = score
  set[#set + 1] = job
end
for i = 1, ended_n do
  local raw = raws[done_n + i]
  if not leases[done_n + i] then
    lost[#lost + 1] = done_n + i
  else
    local outcome, job, delay, lines = ARGV[ended_outcome_at + i], ARGV[ended_next_at + i], ARGV[ended_delay_at + i], ARGV[ended_lines_at + i]
    local counter
    if outcome == 'retry' or outcome == 'defer' then
      counter = 'r'
      put(retry, now + tonumber(delay), job)
    elseif outcome == 'hold' then
      counter = 'h'
      put(held, now + tonumber(delay), job)
    elseif outcome == 'fail' then
      counter = 'f'
      put(failed, ended_at(failed_key, now, job), job)
    elseif outcome == 'release' then
      local list = back[priority(raw)]
      list[#list + 1] = job
    else
      counter = outcome == 'drop' and 'd' or 's'
      let_go(base, raw)
    end
    if counter then totals[counter] = (totals[counter] or 0) + 1 end
    if lines ~= '' and readable(raw) then note(base, raw, lines, status_ttl) end
  end
end
for counter, n in pairs(totals) do
  if n > 0 then call('HINCRBY', totals_key, counter, n) end
end
minute.f, minute.r, minute.x = totals.f or 0, totals.r or 0, (totals.d or 0) + (totals.s or 0)
if #retry > 0 then call('ZADD', retry_key, unpack(retry)) end
if #held > 0 then call('ZADD', held_key, unpack(held)) end
if #failed > 0 then
  call('ZADD', failed_key, unpack(failed))
  evicted = trim(base, failed_key, keep_failed)
end
if released then
  -- Back to the head, in the order they had.
  local returned = 0
  for p = 1, 4 do
    local list = back[p]
    for i = #list, 1, -1 do call('LPUSH', KEYS[queue_at + p], list[i]) end
    returned = returned + #list
  end
  if returned > 0 then wake(wake_key) end
end

-- Costs, suppressions, links and copies. A key of another type keeps no worker from settling.
for i = 1, cost_n do
  if leases[tonumber(ARGV[cost_of_at + i])] then
    local key = string.format('%s:cost:%d', base, floor(now / 86400000))
    if type(redis.pcall('HINCRBY', key, ARGV[cost_field_at + i], ARGV[cost_micros_at + i])) == 'number' then call('PEXPIRE', key, cost_ttl) end
    if ARGV[cost_field_at + i] == 'total' then minute.m = (minute.m or 0) + tonumber(ARGV[cost_micros_at + i]) end
  end
end
for i = 1, suppression_n do
  if leases[tonumber(ARGV[suppression_of_at + i])] then
    local key = base .. ':suppressed'
    if type(redis.pcall('HLEN', key)) == 'number' then
      enlist(key, words_of(ARGV[suppression_names_at + i]), ARGV[suppression_entry_at + i], true)
    end
  end
end
for i = 1, link_n do
  if leases[tonumber(ARGV[link_of_at + i])] then
    call('SET', base .. ':message:' .. ARGV[link_message_at + i], ARGV[link_job_at + i], 'PX', status_ttl)
  end
end
for i = 1, alias_n do
  if leases[tonumber(ARGV[alias_of_at + i])] then
    call('SET', base .. ':alias:' .. ARGV[alias_name_at + i], ARGV[alias_other_at + i], 'PX', alias_ttl)
  end
end
for i = 1, copy_n do
  if leases[tonumber(ARGV[copy_of_at + i])] then
    call('SET', base .. ':kept:' .. ARGV[copy_job_at + i], ARGV[copy_copy_at + i], 'PX', ARGV[copy_within_at + i])
  end
end
minute.e = #evicted
tally(base, now, minute)
return answer{lost = lost, evicted = evicted, breakers = breakers}
