-- A worker's heartbeat: notes that it is alive, by Redis's clock, and forgets those that have been silent for longer than timeout (ms), or whose time
-- is as far ahead, since the clock has gone back.
-- ARGV  worker: its id; says: its state, as JSON
-- Each field of base:workers is the time (ms), a space, and the state.
local now = clock()
call('HDEL', workers_key, '-') -- of nothing, so that a full Redis takes the rest (prelude.lua)
call('HSET', workers_key, worker, string.format('%.0f %s', now, says))
call('PEXPIRE', workers_key, timeout)
local all = call('HGETALL', workers_key)
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i + 1], '^%d+'))
  if not seen or math.abs(now - seen) > timeout then call('HDEL', workers_key, all[i]) end
end
return answer{}
