-- clock notices that Redis's clock has gone back, and moves every time in the channel's keys by as much: otherwise leases would not end,
-- retries and reports not be due and breakers stay open until the clock had caught up.
-- ARGV  mark_every (ms): how old the mark may be before it is written anew
-- The mark is the time as it was last seen (state, 'clock'). Times are moved by the distance from it, which is less than the jump by the
-- mark's age: a lease or a retry may end late by so much, never early.
-- Answers back: by how many ms the times were moved.
local now = clock()
local mark = tonumber(call('HGET', state_key, 'clock') or 0)
if now >= mark then
  if now - mark >= mark_every then call('HSET', state_key, 'clock', string.format('%.0f', now)) end
  return answer{}
end
local back = mark - now
for _, key in ipairs({retry_key, inflight_key, held_key, taken_key}) do
  -- All are moved alike, so their order holds while they are.
  for from = 0, call('ZCARD', key) - 1, 1000 do
    local some, moved = call('ZRANGE', key, from, from + 999, 'WITHSCORES'), {}
    for at = 1, #some, 2 do
      moved[at], moved[at + 1] = string.format('%.0f', tonumber(some[at + 1]) - back), some[at]
    end
    call('ZADD', key, unpack(moved))
  end
end
shift_breakers(state_key, back)
call('HSET', state_key, 'clock', string.format('%.0f', now))
return answer{back = back}
