-- clock notices that Redis's clock has gone back, and moves every time in the channel's keys by as much: otherwise leases would not end,
-- retries and reports not be due and breakers stay open until the clock had caught up.
-- ARGV  mark_every (ms): how old the mark may be before it is written anew; most: how many times of a set one call moves
-- Answers back: by how many ms the times are moved; left: some are not moved yet, and the next call goes on.
-- The mark is the time as it was last seen (state, 'clock'). Times are moved by the distance from it, which is less than the jump by the
-- mark's age: a lease or a retry may end late by so much, never early.
-- A set of more than most is renamed to <key>:clock, and goes back from there by and by, the earliest first: what is added meanwhile has the right time
-- already. Until all are back (state, 'moving', by how much), no further jump is looked for.
local state = call('HMGET', state_key, 'clock', 'moving')
local now, mark, moving = clock(), tonumber(state[1] or 0), tonumber(state[2] or 0)
if moving == 0 and now >= mark and now - mark < mark_every then return answer{} end
goes_on_when_full(inflight_key)
if moving == 0 and now >= mark then
  call('HSET', state_key, 'clock', string.format('%.0f', now))
  return answer{}
end

-- shift gives some members of a set (with their times, as ZRANGE returns them) their times from now on.
local function shift(key, some, by)
  for from = 1, #some, 2000 do
    local moved = {}
    for at = from, math.min(from + 1999, #some), 2 do
      moved[at - from + 1], moved[at - from + 2] = string.format('%.0f', tonumber(some[at + 1]) - by), some[at]
    end
    call('ZADD', key, unpack(moved))
  end
end

local back = 0
if moving == 0 then
  ours('ZCARD', inflight_key, retry_key, held_key, taken_key)
  back = mark - now
  shift(inflight_key, call('ZRANGE', inflight_key, 0, -1, 'WITHSCORES'), back) -- no more than the workers have
  for _, key in ipairs({retry_key, held_key, taken_key}) do
    if call('ZCARD', key) <= most then
      shift(key, call('ZRANGE', key, 0, -1, 'WITHSCORES'), back)
    else
      call('RENAME', key, key .. ':clock')
      moving = back
    end
  end
  shift_breakers(state_key, back)
  call('HSET', state_key, 'clock', string.format('%.0f', now), 'moving', string.format('%.0f', moving))
end

local left = false
for _, key in ipairs({retry_key, held_key, taken_key}) do
  shift(key, call('ZPOPMIN', key .. ':clock', most), moving)
  left = left or call('EXISTS', key .. ':clock') == 1
end
if not left then call('HDEL', state_key, 'moving') end
return answer{back = back, left = left}
