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
tally(base, now, {l = 1}) -- that nothing waits is known only of moments at which somebody looked
if jobs > 0 then at_least(base, now, {w = jobs, o = now - oldest}) end
return answer{}
