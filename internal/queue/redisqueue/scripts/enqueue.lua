-- enqueue adds the jobs of many webhooks to one channel, each webhook once.
-- KEYS  1-4 base:queue:1-4, 5 base:wake
-- ARGV  1 base, 2 period (ms) of a generation of seen records, 3 DEDUPE_TTL (ms), 4 MAX_QUEUE_DEPTH (0: none), 5 number of webhooks;
--       then for each webhook: field, bucket, record, body key or '', body or '', number of jobs, jobs
-- Returns one value a webhook: 1 added; 0 refused, the queue is full; a string: seen before, the record of that time. And last the
--       number of waiting jobs before the call.
local base, period, dedupe, max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local generation = floor(now / period)
local current = base .. ':seen:' .. string.format('%.0f', generation) .. ':'
local previous = base .. ':seen:' .. string.format('%.0f', generation - 1) .. ':'
local depth = call('LLEN', KEYS[1]) + call('LLEN', KEYS[2]) + call('LLEN', KEYS[3]) + call('LLEN', KEYS[4])

-- fresh says whether a record is young enough to stand for its webhook.
local function fresh(record)
  local a, b, c, d, f, g = byte(record, 1, 6)
  return g and now - (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + f) * 256 + g) < dedupe
end

local lists, out, added = {{}, {}, {}, {}}, {}, 0
local at = 6
for w = 1, tonumber(ARGV[5]) do
  local field, bucket, record, body_at, body, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4],
    tonumber(ARGV[at + 5])
  at = at + 6
  local key = current .. bucket
  local seen = false
  if call('HSETNX', key, field, record) == 0 then
    seen = call('HGET', key, field)
    if not fresh(seen) then
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
  if seen then
    out[w] = seen
  elseif max > 0 and jobs > 0 and depth + added >= max then
    call('HDEL', key, field)
    out[w] = 0
  else
    if call('HLEN', key) == 1 then call('PEXPIREAT', key, string.format('%.0f', (generation + 2) * period)) end
    if body_at ~= '' and jobs > 0 then
      call('HSET', body_at, 'b', body)
      call('HINCRBY', body_at, 'n', jobs)
    end
    for i = at, at + jobs - 1 do
      local list = lists[priority(ARGV[i])]
      list[#list + 1] = ARGV[i]
    end
    added = added + jobs
    out[w] = 1
  end
  at = at + jobs
end
for p = 1, 4 do push('RPUSH', KEYS[p], lists[p]) end
if added > 0 then wake(KEYS[5]) end
out[#out + 1] = depth
return out
