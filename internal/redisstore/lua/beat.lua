-- beat notes that a worker lives, by Redis's clock, and forgets those that have said nothing for long.
-- KEYS  1 base:workers
-- ARGV  1 the worker's id, 2 what it says of itself, 3 ms after which a worker is taken for gone
-- Each field is the time (ms), a space, and what the worker said.
local now, gone = clock(), tonumber(ARGV[3])
call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now, ARGV[2]))
call('PEXPIRE', KEYS[1], gone)
local all = call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i + 1], '^%d+'))
  if not seen or now - seen > gone then call('HDEL', KEYS[1], all[i]) end
end
return 0
