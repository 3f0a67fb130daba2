-- enqueue adds the jobs of many webhooks, each webhook once. On one Redis a call serves every channel; in a cluster, where each
-- channel has a slot of its own, it serves one.
-- KEYS  for each channel of the call: base:queue:1-4, base:wake
-- ARGV  was_accepted: the messages are of jobs that were accepted before, and move on also where Redis is full.
--       After those of the header, for each webhook: field, bucket, record, shape, and for each part: body key and body, where it is
--       shared, and the jobs. The shape has four bytes per part: the channel (1: the first in KEYS), 1 for a shared body, and the
--       number of jobs.
-- Answers results, one per webhook: 0 added; n > 0 refused, the n-th channel's queue is full; a string: seen before, the record of that
--       time. And depths: for each channel, the number of waiting jobs before the call (0 without max_depth).
local now = clock()
if was_accepted then goes_on_when_full(base .. ':inflight') end
local generation = floor(now / period)
local current = base .. ':seen:' .. string.format('%.0f', generation) .. ':'
local previous = base .. ':seen:' .. string.format('%.0f', generation - 1) .. ':'

local depth, added, lists = {}, {}, {}
for c = 1, #KEYS / 5 do
  depth[c], added[c], lists[c] = 0, 0, {{}, {}, {}, {}}
  -- Asked without a maximum, too: a list of another type is found out before a webhook counts as seen.
  for p = 1, 4 do depth[c] = depth[c] + call('LLEN', KEYS[channels_at + c * 5 - 5 + p]) end
end

-- fresh says whether a record is young enough to stand for its webhook.
local function fresh(record)
  local a, b, c, d, f, g = byte(record, 1, 6)
  return g and now - (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + f) * 256 + g) < dedupe_ttl
end

local out, at = {}, webhook_at + 1
for w = 1, webhooks do
  local field, bucket, record, shape = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  local key = current .. bucket
  local seen, stale = false, nil
  if call('HSETNX', key, field, record) == 0 then
    seen = call('HGET', key, field)
    if not fresh(seen) then
      stale = seen
      seen = false
      call('HSET', key, field, record)
    end
  else
    local before = call('HGET', previous .. bucket, field)
    if before and fresh(before) then
      seen = before
      call('HDEL', key, field)
    end
  end
  local full, first = 0, at
  for p = 1, #shape, 4 do
    local c, shared, high, low = byte(shape, p, p + 3)
    if max_depth > 0 and depth[c] + added[c] >= max_depth then full = c end
    at = at + shared * 2 + high * 256 + low
  end
  if seen then
    out[w] = seen
  elseif full > 0 then
    -- The record that was there tells of the time before.
    if stale then call('HSET', key, field, stale) else call('HDEL', key, field) end
    out[w] = full
  else
    -- By its distance, and not by its end: so no more rights are needed than PEXPIRE's.
    if call('HLEN', key) == 1 then call('PEXPIRE', key, string.format('%.0f', (generation + 2) * period - now)) end
    for p = 1, #shape, 4 do
      local c, shared, high, low = byte(shape, p, p + 3)
      local jobs = high * 256 + low
      if shared == 1 then
        call('HSET', ARGV[first], 'b', ARGV[first + 1])
        call('HINCRBY', ARGV[first], 'n', jobs)
        first = first + 2
      end
      -- The jobs of a webhook are all of its priority.
      local list = lists[c][priority(ARGV[first])]
      for i = first, first + jobs - 1 do list[#list + 1] = ARGV[i] end
      added[c] = added[c] + jobs
      first = first + jobs
    end
    out[w] = 0
  end
end
for c = 1, #depth do
  for p = 1, 4 do push('RPUSH', KEYS[channels_at + c * 5 - 5 + p], lists[c][p]) end
  if added[c] > 0 then wake(KEYS[channels_at + c * 5]) end
  if max_depth == 0 then depth[c] = 0 end
end
return answer{results = out, depths = depth}
