-- sample notes how many jobs wait on a channel, and for how long the first one has: of the moments within a minute that were looked at, the most.
local now = clock()
local jobs, oldest = 0, now
for p = 1, 4 do
  local n = redis.pcall('LLEN', KEYS[queue_at + p])
  if type(n) == 'number' and n > 0 then
    jobs = jobs + n
    oldest = math.min(oldest, accepted(call('LINDEX', KEYS[queue_at + p], 0)))
  end
end
tally(base, now, {l = 1}) -- that no job waits is known only of the moments of a look
if jobs > 0 then at_least(base, now, {w = jobs, o = now - oldest}) end

-- The accepted of the hour before are kept for nine days, since the same hour of the next week is compared with it: 216 fields, of which the oldest is written over.
local hour = floor(now / 3600000) - 1
local known = redis.pcall('HGET', base .. ':hours', hour % 216)
if type(known) ~= 'table' and tonumber(string.match(known or '', '^%d+') or 0) < hour then
  local sum = 0
  for tens = hour * 6, hour * 6 + 5 do
    local counts = redis.pcall('HMGET', string.format('%s:minutes:%d', base, tens), '0a', '1a', '2a', '3a', '4a', '5a', '6a', '7a', '8a', '9a')
    for i = 1, 10 do sum = sum + (tonumber(counts[i] or 0) or 0) end
  end
  redis.pcall('HSET', base .. ':hours', hour % 216, string.format('%d %.0f', hour, sum))
  redis.pcall('PEXPIRE', base .. ':hours', 216 * 3600000)
end
return answer{}
