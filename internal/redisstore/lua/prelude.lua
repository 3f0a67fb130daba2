-- Shared by the scripts: the pieces that a script uses stand before it (script.go), so an empty line ends a piece. A job's bytes are
-- described in internal/job. The positions below (1 is the first) are those: 1 version, 2 priority, 3 attempts, 4 crashes, 5 flags, 6-11
-- accepted at, 12 length of the id, the id, length of the last error, the last error, the rest. The flags' upper five bits count, modulo 32,
-- how often the job was put back. With the crashes they make the bytes of each lease unique, so a script that puts a job back raises one or
-- the other.
local call = redis.call

local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor

-- clock returns Redis's own time in Unix ms, so that no caller's clock matters.
local function clock()
  local t = call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

-- answer turns a table into the list that Go reads by name: name, value, name, value. Zero values (0, '', false, {}) are left out: Go
-- assumes them.
local function answer(fields)
  local out, n = {}, 0
  for name, value in pairs(fields) do
    if value and value ~= 0 and value ~= '' and (type(value) ~= 'table' or next(value) ~= nil) then
      out[n + 1], out[n + 2] = name, value
      n = n + 2
    end
  end
  return out
end

-- goes_on_when_full keeps a script going where Redis has no memory left (maxmemory): Redis refuses a script's first write if that one could
-- take more, and looks no further once one has been made. So a removal of nothing comes first where accepted jobs move on; only the scripts
-- that would add jobs are refused. inflight is base:inflight; no job is '-'.
local function goes_on_when_full(inflight)
  call('ZREM', inflight, '-')
end

-- ours raises an error when a key has another type than ringup's, because another program uses it. Redis takes back nothing of what a
-- script did before its error, so the scripts ask before they take a job from where it is.
local function ours(command, ...)
  for _, key in ipairs({...}) do call(command, key) end
end

-- readable says whether a value has a header that the scripts understand.
local function readable(e)
  return #e >= 12 and (byte(e, 1) == 1 or byte(e, 1) == 2) and #e >= 12 + byte(e, 12)
end

-- accepted returns when the job was accepted. Bytes that are no job count as the oldest, so that they are claimed soon.
local function accepted(e)
  if not readable(e) then return 0 end
  local a, b, c, d, f, g = byte(e, 6, 11)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + f) * 256 + g
end

-- priority returns 1 to 4; bytes that are no job go to the last list.
local function priority(e)
  local p = byte(e, 2)
  if p and p >= 1 and p <= 4 then return p end
  return 4
end

-- webhook_id returns the id of the job's webhook.
local function webhook_id(e)
  return sub(e, 13, 12 + byte(e, 12))
end

-- body_key returns the key of a shared body, or nil when the job carries its own.
local function body_key(base, e)
  if not readable(e) or byte(e, 5) % 2 == 0 then return nil end
  return string.format('%s:body:%s:%.0f', base, webhook_id(e), accepted(e))
end

-- A shared body is a hash: b, the bytes; n, how many jobs refer to it; til, until when (ms) a redelivery copy may. Jobs that fell back from jobs of one
-- event share its bytes, too: the hash of each has of, the key that has the bytes, in place of b, and counts as one that refers to that.
-- refer counts a job more that refers to a body. So it does not go by itself any more.
local function refer(key)
  if call('HINCRBY', key, 'n', 1) == 1 then
    local of = call('HGET', key, 'of')
    if of then refer(of) end
  end
  call('PERSIST', key)
end

-- unrefer counts a body down, and deletes it with the last job; while a redelivery copy may refer to it, it goes by itself, after the copy.
local function unrefer(key)
  local left = redis.pcall('HINCRBY', key, 'n', -1)
  if type(left) ~= 'number' or left > 0 then return end
  local known = call('HMGET', key, 'til', 'of')
  local wait = tonumber(known[1] or 0) - clock()
  if wait > 0 then call('PEXPIRE', key, wait) else call('DEL', key) end
  if known[2] then unrefer(known[2]) end
end

-- body_bytes returns the bytes of a shared body; '' where they are gone.
local function body_bytes(key)
  local body = redis.pcall('HMGET', key, 'b', 'of')
  return body[1] or body[2] and body_bytes(body[2]) or ''
end

-- keep_body lets a body stay until a time (ms) at least, for a redelivery copy.
local function keep_body(key, til)
  local known = redis.pcall('HMGET', key, 'n', 'til', 'of')
  if not known[1] then return end
  call('HSET', key, 'til', string.format('%.0f', math.max(til, tonumber(known[2] or 0))))
  if known[3] then keep_body(known[3], til) end
end

-- let_go counts down the shared body of a job that no list or set has any more.
local function let_go(base, e)
  local key = body_key(base, e)
  if key then unrefer(key) end
end

-- ended_at is the score of a job that ended. Bytes that cannot be read, as a job of a newer version, get one that trim never comes to:
-- restore.lua takes them back once a program runs that can read them.
-- No job is said to have ended before those that are in the set: where Redis's clock has gone back, trim would take the newest for the oldest.
local function ended_at(key, now, e)
  if not readable(e) then return string.format('%.0f', now + 1e15) end
  local latest = call('ZRANGE', key, '(1e15', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  latest = tonumber(latest or 0)
  return string.format('%.0f', latest > now and latest + 1 or now)
end

-- trim keeps the newest of a bounded set and lets go of the others; returns the evicted.
local function trim(base, key, keep)
  local over = call('ZCOUNT', key, '-inf', '1e15') - keep
  local evicted = {}
  if over <= 0 then return evicted end
  local popped = call('ZPOPMIN', key, over)
  for i = 1, #popped, 2 do
    evicted[#evicted + 1] = popped[i]
    let_go(base, popped[i])
  end
  return evicted
end

-- minutes_kept is how long (ms) the counts by minute are kept, and the ten minutes that share a key.
local minutes_kept = 48 * 3600000 + 600000

-- tally counts what happened on a channel within the minute of now: counts has numbers by name (minutes.go has the names). Ten minutes share a hash, which
-- so stays in Redis's compact encoding. A key of another type counts nothing, and stops nothing.
local function tally(base, now, counts)
  local minute = floor(now / 60000)
  local key = string.format('%s:minutes:%d', base, floor(minute / 10))
  for name, n in pairs(counts) do
    if n > 0 and redis.pcall('HINCRBY', key, minute % 10 .. name, n) == n then redis.pcall('PEXPIRE', key, minutes_kept) end
  end
end

-- at_least is as tally, of numbers of which the largest within the minute counts.
local function at_least(base, now, numbers)
  for name, n in pairs(numbers) do
    local minute = floor(now / 60000)
    local known = redis.pcall('HGET', string.format('%s:minutes:%d', base, floor(minute / 10)), minute % 10 .. name)
    if type(known) ~= 'table' then tally(base, now, {[name] = n - (tonumber(known) or 0)}) end
  end
end

-- delay_name is the name under which tally counts a sent message, by how long (ms) it took from accepted to sent.
local function delay_name(ms)
  if ms <= 1000 then return '0' end
  if ms <= 2000 then return '1' end
  if ms <= 5000 then return '2' end
  if ms <= 15000 then return '3' end
  if ms <= 60000 then return '4' end
  if ms <= 300000 then return '5' end
  if ms <= 1800000 then return '6' end
  return '7'
end

-- with_error returns the job's bytes with another last error.
local function with_error(e, text)
  if not readable(e) then return e end
  local id_end = 12 + byte(e, 12)
  local old = byte(e, id_end + 1) or 0
  return sub(e, 1, id_end) .. char(#text) .. text .. sub(e, id_end + 2 + old)
end

-- index returns which of its webhook's jobs on the channel this one is (an uvarint; two bytes are enough for 16,383).
local function index(e)
  local id_end = 12 + byte(e, 12)
  local at = id_end + 2 + (byte(e, id_end + 1) or 0)
  local first = byte(e, at) or 0
  if first < 128 then return first end
  return first - 128 + (byte(e, at + 1) or 0) * 128
end

-- recipient returns a job's audience and recipient, as one text.
local function recipient(e)
  local id_end = 12 + byte(e, 12)
  local at = id_end + 2 + (byte(e, id_end + 1) or 0)
  if (byte(e, at) or 0) >= 128 then at = at + 1 end
  return sub(e, at + 1, at + 1) .. sub(e, at + 3, at + 2 + (byte(e, at + 2) or 0))
end

-- A job's log has one line per event. It is a field, named after the job, in a hash of all jobs that were accepted in the same quarter of a
-- second: jobs that are settled together were mostly accepted together, so that one command writes the lines of a batch. The names of the
-- hashes are remembered by the channel and the bytes that they come from.
local log_keys = {}

-- log_key returns the name of the hash.
local function log_key(base, e)
  local of = base .. sub(e, 6, 10)
  local key = log_keys[of]
  if not key then
    key = string.format('%s:log:%.0f', base, floor(accepted(e) / 256))
    log_keys[of] = key
  end
  return key
end

-- log_field returns the name of the field.
local function log_field(e)
  return webhook_id(e) .. ':' .. index(e)
end

-- untouched says that a job has no log yet: it was never tried, reaped or put off.
local function untouched(e)
  local attempts, crashes = byte(e, 3, 4)
  return attempts + crashes + (byte(e, 13 + byte(e, 12)) or 0) == 0
end

-- note adds lines to the log of a job, which lives for ttl (ms) from the latest one on.
local function note(base, e, lines, ttl)
  local key, field = log_key(base, e), log_field(e)
  local before = not untouched(e) and redis.pcall('HGET', key, field)
  if type(before) ~= 'string' then before = '' end
  if type(redis.pcall('HSET', key, field, before .. lines)) == 'number' then call('PEXPIRE', key, ttl) end
end

-- push appends values to a list ('RPUSH') or puts them before it ('LPUSH'), 1,000 per call: Lua's stack is not endless.
local function push(command, key, values)
  for i = 1, #values, 1000 do
    call(command, key, unpack(values, i, math.min(i + 999, #values)))
  end
end

-- room is how many bytes of waiting jobs, with some for each, a script may move so that others come back by their age: some 2,000 jobs, in some
-- milliseconds.
local room = 1500000

-- by_age merges two sorted tables of jobs, the oldest first. ages has the times of the first one's.
local function by_age(jobs, ages, others)
  local all, i, j = {}, 1, 1
  while jobs[i] or others[j] do
    if not others[j] or jobs[i] and ages[jobs[i]] <= accepted(others[j]) then
      all[#all + 1], i = jobs[i], i + 1
    else
      all[#all + 1], j = others[j], j + 1
    end
  end
  return all
end

-- come_back puts jobs back into a priority list where they were, by their age. Mostly that is the head, since jobs are claimed by their age; where
-- many come back in blocks, it is behind the blocks before and ahead of jobs that were accepted since. So the older jobs at the head are moved, or the
-- younger ones at the end, whichever are fewer. Where both are more than may be moved, jobs pass the older ones beyond those.
local function come_back(key, jobs)
  if #jobs == 0 then return end
  local ages = {}
  for _, e in ipairs(jobs) do ages[e] = accepted(e) end
  table.sort(jobs, function(a, b) return ages[a] < ages[b] or ages[a] == ages[b] and a < b end)
  local length = call('LLEN', key)
  local size = 250 + (length > 0 and #call('LINDEX', key, 0) or 0)
  local most = math.max(100, floor(room / size))
  -- older returns where the jobs that are no older than a time begin, between two positions.
  local function older(age, low, high)
    while low < high do
      local middle = floor((low + high) / 2)
      if accepted(call('LINDEX', key, middle)) < age then low = middle + 1 else high = middle end
    end
    return low
  end
  local head, begin = older(ages[jobs[#jobs]], 0, math.min(length, most)), math.max(0, length - most)
  local tail = older(ages[jobs[1]], begin, length)
  if tail > begin and length - tail < head then
    local younger = tail < length and call('LRANGE', key, tail, -1) or {}
    if #younger > 0 then call('LTRIM', key, 0, tail - 1) end
    push('RPUSH', key, by_age(jobs, ages, younger))
    room = room - #younger * size
    return
  end
  local all, back = by_age(jobs, ages, head > 0 and call('LPOP', key, head) or {}), {}
  for i = #all, 1, -1 do back[#back + 1] = all[i] end
  push('LPUSH', key, back)
  room = room - head * size
end

-- come_back_all puts jobs back into the priority lists, the keys behind the position given.
local function come_back_all(keys, at, jobs)
  local lists = {{}, {}, {}, {}}
  for i = 1, #jobs do
    local list = lists[priority(jobs[i])]
    list[#list + 1] = jobs[i]
  end
  for p = 1, 4 do come_back(keys[at + p], lists[p]) end
end

-- wake leaves one token for an idle worker, unless there is one.
local function wake(key)
  if redis.pcall('LLEN', key) == 0 then call('RPUSH', key, '1') end
end
