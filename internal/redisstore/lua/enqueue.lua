-- enqueue adds the jobs of many webhooks, each webhook once. On one Redis a call serves every channel; in a cluster, where each
-- channel has a slot of its own, it serves one.
-- KEYS  for each channel of the call: base:queue:1-4, base:wake
-- ARGV  was_accepted: the messages are of jobs that were accepted before, and move on also where Redis is full.
--       After those of the header, for each webhook: field, bucket, record, shape, and for each part: where the body is shared, its key, the body, and, of
--       a message that fell back, the key that has the bytes for all that fell back from one event (prelude.lua); and the jobs. The shape has a byte for
--       the place, 0 at first, and then four bytes per part: the channel (1: the first in KEYS), how many values stand before the jobs (0, 2 or 3), and the number of jobs. To the place of an event of a sale 128 is added, and behind its shape
--       stand what take_sale reads: the sale's key, the event's kind, its source, when it happened, and for how long it may wait (ms). waits: one of them has a time to wait.
-- Answers results, one per webhook: 0 added; n > 0 refused, the n-th channel's queue is full; a string: seen before, the record of that
--       time; -n: an event of another type has the id at this place. Then n % 8 is a place that is free, and n / 8, rounded down, when
--       the latest such event was accepted (ms). And depths: for each channel, the number of waiting jobs before the call (0 without max_depth).
--       stale, the jobs that were not added: for each the number of its webhook, the channel, its number among the part's jobs, and the webhook that came
--       before. superseded: for each channel, how many waiting jobs were taken out.
local now = clock()
if was_accepted then goes_on_when_full(base .. ':inflight') end
local generation = floor(now / period)
local function generation_of(n) return base .. ':seen:' .. string.format('%.0f', n) .. ':' end
local current, earlier = generation_of(generation), {}
for g = generation - 1, generation - known_back, -1 do earlier[#earlier + 1] = generation_of(g) end
-- Where the clock has gone back, there are records in the generation that had begun. They are looked for, and stay there, in the six hours before it
-- begins.
local ahead = now + 6 * 3600000 >= (generation + 1) * period and generation_of(generation + 1)
if former ~= period then
  -- 0.1.0 divided the time by its own setting.
  for g = floor(now / former), floor(now / former) - 1, -1 do earlier[#earlier + 1] = generation_of(g) end
end

local depth, added, lists, superseded, stale_jobs = {}, {}, {}, {}, {}
for c = 1, #KEYS / 5 do
  depth[c], added[c], lists[c], superseded[c] = 0, 0, {{}, {}, {}, {}}, 0
  -- Asked without a maximum, too: a list of another type is found out before a webhook counts as seen.
  for p = 1, 4 do depth[c] = depth[c] + call('LLEN', KEYS[channels_at + c * 5 - 5 + p]) end
  if waits then ours('ZCARD', sub(KEYS[channels_at + c * 5 - 4], 1, -9) .. ':held') end
end

-- accepted_ms returns when a record was accepted (ms); nil for one that is too short.
local function accepted_ms(record)
  local a, b, c, d, f, g = byte(record, 1, 6)
  return g and ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + f) * 256 + g
end

-- fresh says whether a record is young enough to stand for its webhook: when the new one was accepted, which is earlier than now where it has waited for its sender's answer.
local function fresh(record, new)
  local at = accepted_ms(record)
  return at and math.min(now, accepted_ms(new)) - at < dedupe_ttl
end

-- type_of returns the number of the event's type (record.go); a record of 0.1.0 has none, and there the priority told the types apart.
local function type_of(record)
  local both = byte(record, 7) or 0
  if both < 8 then return both end
  return floor(both / 8)
end

-- part makes of a record one that stands behind others (record.go has the form).
local function part(record, place)
  return char(255, place) .. record .. char(floor(#record / 256), #record % 256, 255)
end

-- look goes through the records of the events that have an id. It returns that of the same type as a new record, as a part, if it is fresh;
-- and otherwise of the other fresh ones that at place 0, the parts of the rest, the places that they have, and when the latest was accepted (ms).
local function look(known, record)
  local base, others, used, latest = '', '', {}, 0
  while known ~= '' do
    local one, place = known, 0
    if byte(known, -1) == 255 then
      local high, low = byte(known, -3, -2)
      local size = (high or 0) * 256 + (low or 0)
      one, place = sub(known, -3 - size, -4), byte(known, -4 - size) or 0
      known = sub(known, 1, -6 - size)
    else
      known = ''
    end
    if fresh(one, record) then
      if type_of(one) == type_of(record) then return part(one, place) end
      if place == 0 then base = one else others = others .. part(one, place) end
      used[place] = true
      latest = math.max(latest, accepted_ms(one))
    end
  end
  return nil, base, others, used, latest
end

-- recall returns what the latest of the earlier generations has of an id: it has whatever of those before it counted then. False for nothing.
local function recall(bucket, field)
  for i = 1, #earlier do
    local record = call('HGET', earlier[i] .. bucket, field)
    if record then return record end
  end
  return false
end

-- supersede takes the jobs of a sale's earlier event out of the scheduled ones of a channel: those for some recipients that have waited ever since they were
-- accepted. A job that was claimed meanwhile has other bytes.
local function supersede(c, event, recipients, by)
  local channel = sub(KEYS[channels_at + c * 5 - 4], 1, -9)
  for _, e in ipairs(redis.pcall('ZRANGEBYSCORE', channel .. ':held', event.due, event.due)) do
    if readable(e) and webhook_id(e) == event.id and string.format('%.0f', accepted(e)) == event.accepted and untouched(e) and recipients[recipient(e)] then
      call('ZREM', channel .. ':held', e)
      let_go(channel, e)
      note(channel, e, string.format('{"t":%.0f,"s":"superseded","by":%s}\n', now, cjson.encode(by)), status_ttl)
      superseded[c] = superseded[c] + 1
    end
  end
end

-- take_sale decides about the jobs of an event of a sale, by the events of it that were taken before (docs/decisions/0018): it lets go of the stale ones, and takes
-- the waiting ones of earlier events out, for the same recipients. It returns the others, by channel, and until when (ms) they wait; nil for those that do not.
local function take_sale(w, first, parts)
  local key, kind, source, wait = ARGV[first], ARGV[first + 1], ARGV[first + 2], tonumber(ARGV[first + 4])
  local happened = math.min(tonumber(ARGV[first + 3]), now)
  local events, rest, lanes, to, id, accepted_at = read_sale(key), {}, 0, {}, nil, nil
  if not events then return parts end -- the key is another program's
  for c, jobs in pairs(parts) do
    rest[c], to[c] = {}, {}
    for i, e in ipairs(jobs) do
      local lane, by = lane_of(c, e), nil
      id, accepted_at = webhook_id(e), accepted(e)
      for _, event in ipairs(events) do
        -- Times that are further apart are those of a clock that was wrong.
        local ahead_by = math.min(event.happened, now) - happened
        if event.source == source and ahead_by > 0 and ahead_by <= dedupe_ttl and makes_stale(event.kind, kind) and has_lane(event.lanes, lane) then by = event.id end
      end
      if by then
        local channel = sub(KEYS[channels_at + c * 5 - 4], 1, -9)
        let_go(channel, e)
        note(channel, e, string.format('{"t":%.0f,"s":"stale","by":%s}\n', now, cjson.encode(by)), status_ttl)
        for _, value in ipairs({w, c, i, by}) do stale_jobs[#stale_jobs + 1] = value end
      else
        if not has_lane(lanes, lane) then lanes = lanes + lane end
        to[c][recipient(e)] = true
        rest[c][#rest[c] + 1] = e
      end
    end
  end
  if lanes == 0 then return rest end
  local stay = {}
  for _, event in ipairs(events) do
    -- Of two that happened at the same time, an order comes before its updates.
    local newer = event.happened < happened or event.happened == happened and (kind ~= 'c' or event.kind == 'c')
    if event.due ~= '-' and tonumber(event.due) <= now then event.due = '-' end
    if event.due ~= '-' and newer then
      for c, recipients in pairs(to) do supersede(c, event, recipients, id) end
    end
    if event.source == source and newer and (event.kind == 'p') == (kind == 'p') then event.lanes = without_lanes(event.lanes, lanes) end
    if event.lanes > 0 or event.due ~= '-' then stay[#stay + 1] = event end
  end
  -- Jobs that have come in one call differ in their times, so that each webhook's are found by theirs.
  local due = wait > 0 and (kind == 'c' or kind == 'u') and string.format('%.3f', now + wait + w / 1000)
  stay[#stay + 1] = {kind = kind, lanes = lanes, source = source, happened = happened, due = due or '-', accepted = string.format('%.0f', accepted_at), id = id}
  write_sale(key, stay, dedupe_ttl)
  return rest, due
end

-- add_of_sale adds what take_sale has left.
local function add_of_sale(parts, due)
  for c, jobs in pairs(parts) do
    local held = sub(KEYS[channels_at + c * 5 - 4], 1, -9) .. ':held'
    for _, e in ipairs(jobs) do
      if due then
        call('ZADD', held, due, e)
      else
        local list = lists[c][priority(e)]
        list[#list + 1] = e
      end
    end
    if not due then added[c] = added[c] + #jobs end
  end
end

local out, at = {}, webhook_at + 1
for w = 1, webhooks do
  local field, bucket, record, shape = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local written = record
  at = at + 4
  local key, place, begun = current .. bucket, byte(shape, 1), generation
  local sale = place >= 128 and at
  if sale then place, at = place - 128, at + 5 end
  if ahead and call('HGET', ahead .. bucket, field) then key, begun = ahead .. bucket, generation + 1 end
  if place > 0 then record = part(record, place) end
  -- What was there before in this generation; false where nothing was.
  local stale = call('HSETNX', key, field, record) == 0 and call('HGET', key, field)
  local known, result = stale or recall(bucket, field), nil
  if known then
    local seen, base, others, used, latest = look(known, written)
    if seen then
      result = seen
    elseif used[place] then
      local free = 0
      while used[free] do free = free + 1 end
      result = -(latest * 8 + free)
    elseif stale or base ~= '' or others ~= '' then
      call('HSET', key, field, base .. record .. others) -- with base, the record is a part
    end
    if result and not stale then call('HDEL', key, field) end
  end
  local full, first = 0, at
  for p = 2, #shape, 4 do
    local c, before, high, low = byte(shape, p, p + 3)
    if max_depth > 0 and depth[c] + added[c] >= max_depth then full = c end
    at = at + before + high * 256 + low
  end
  if result then
    out[w] = result
  elseif full > 0 then
    -- The record that was there tells of the time before.
    if stale then call('HSET', key, field, stale) else call('HDEL', key, field) end
    out[w] = full
  else
    -- By its distance, and not by its end: so no more rights are needed than PEXPIRE's.
    -- Where records are kept for longer than they were, the first one of the hash may have come before that.
    if back > 1 or call('HLEN', key) == 1 then call('PEXPIRE', key, string.format('%.0f', (begun + 1 + back) * period - now)) end
    local parts = {}
    for p = 2, #shape, 4 do
      local c, before, high, low = byte(shape, p, p + 3)
      local jobs = high * 256 + low
      if before > 0 then
        local of = before == 3 and ARGV[first + 2]
        call('HSET', ARGV[first], of and 'of' or 'b', of or ARGV[first + 1])
        call('HINCRBY', ARGV[first], 'n', jobs)
        if of then
          call('HSETNX', of, 'b', ARGV[first + 1])
          refer(of)
        end
        first = first + before
      end
      -- The jobs of a webhook are all of its priority.
      local list = lists[c][priority(ARGV[first])]
      if sale then
        parts[c] = {}
        for i = first, first + jobs - 1 do parts[c][#parts[c] + 1] = ARGV[i] end
      else
        for i = first, first + jobs - 1 do list[#list + 1] = ARGV[i] end
        added[c] = added[c] + jobs
      end
      first = first + jobs
    end
    if sale then add_of_sale(take_sale(w, sale, parts)) end
    out[w] = 0
  end
end
for c = 1, #depth do
  for p = 1, 4 do push('RPUSH', KEYS[channels_at + c * 5 - 5 + p], lists[c][p]) end
  if added[c] > 0 then wake(KEYS[channels_at + c * 5]) end
  if max_depth == 0 then depth[c] = 0 end
end
return answer{results = out, depths = depth, superseded = superseded, stale = stale_jobs}
