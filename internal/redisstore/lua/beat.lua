-- A worker's heartbeat: notes that it is alive, by Redis's clock, and forgets those that have been silent for longer than timeout (ms), or whose time
-- is as far ahead, since the clock has gone back. A version that was not there leaves a mark.
-- ARGV  worker: its id; says: its state, as JSON; version: the program's
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
-- The fields 'v:<version>' of base:state are when each version was last alive. One is forgotten when another lives and it does not: so a channel that had no
-- worker for a while gets no mark, and a return to an older version does.
if redis.pcall('HSET', state_key, 'v:' .. version, string.format('%.0f', now)) == 1 then mark(state_key, now, 'new version', 'worker ' .. version) end
local state = redis.pcall('HGETALL', state_key)
for i = 1, #state, 2 do
  local seen = sub(state[i], 1, 2) == 'v:' and tonumber(state[i + 1])
  if seen and math.abs(now - seen) > timeout then call('HDEL', state_key, state[i]) end
end
return answer{}
