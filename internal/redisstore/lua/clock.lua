-- clock notices that Redis's clock has gone back, and moves every time that is kept by as much: leases would not end, retries not be due
-- and breakers stay open until the clock had caught up.
-- KEYS  1 base:retry, 2 base:inflight, 3 base:state, 4 base:held
-- ARGV  1 ms after which the mark is written anew
-- The mark is the time as it was last seen (state, 'clock'). What is moved is moved by the distance from it, which is less than the jump
-- by the mark's age: a lease or a retry may end late by so much, never early.
-- Returns by how many ms the times were moved; 0 when the clock had not gone back.
local now = clock()
local mark = tonumber(call('HGET', KEYS[3], 'clock') or 0)
if now >= mark then
  if now - mark >= tonumber(ARGV[1]) then call('HSET', KEYS[3], 'clock', string.format('%.0f', now)) end
  return 0
end
local back = mark - now
for _, i in ipairs({1, 2, 4}) do
  -- All are moved alike, so their order holds while they are.
  for from = 0, call('ZCARD', KEYS[i]) - 1, 1000 do
    local some, moved = call('ZRANGE', KEYS[i], from, from + 999, 'WITHSCORES'), {}
    for at = 1, #some, 2 do
      moved[at], moved[at + 1] = string.format('%.0f', tonumber(some[at + 1]) - back), some[at]
    end
    call('ZADD', KEYS[i], unpack(moved))
  end
end
local state = call('HGETALL', KEYS[3])
for i = 1, #state, 2 do
  if sub(state[i], 1, 2) == 'b:' then
    local b = load_breaker(state[i + 1])
    b.til, b.probe, b.window = math.max(0, b.til - back), math.max(0, b.probe - back), math.max(0, b.window - back)
    save_breaker(KEYS[3], sub(state[i], 3), b)
  end
end
call('HSET', KEYS[3], 'clock', string.format('%.0f', now))
return back
