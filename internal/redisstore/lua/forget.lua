-- forget deletes jobs that have a person's data, and their logs.
-- KEYS  1 a priority list, or a sorted set of jobs
-- ARGV  1 base, 2 and 3 the part of the list that they are in, as LRANGE has it, counted from its end (0 and 0: it is a set), 4… their bytes
-- Returns how many of them were still there.
local base, from, til, gone = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), {}
if from == 0 then
  for i = 4, #ARGV do
    if call('ZREM', KEYS[1], ARGV[i]) == 1 then gone[#gone + 1] = ARGV[i] end
  end
else
  -- Marked in their places, which costs little, and then taken out in one pass over the end of the list.
  local wanted, marked = {}, '\0forgotten'
  for i = 4, #ARGV do wanted[ARGV[i]] = true end
  from = math.max(from, -call('LLEN', KEYS[1]))
  for i, e in ipairs(call('LRANGE', KEYS[1], from, til)) do
    if wanted[e] then
      call('LSET', KEYS[1], from + i - 1, marked)
      gone[#gone + 1] = e
    end
  end
  if #gone > 0 then call('LREM', KEYS[1], -#gone, marked) end
end
for _, e in ipairs(gone) do
  let_go(base, e)
  if readable(e) then
    redis.pcall('HDEL', log_key(base, e), log_field(e), log_field(e) .. ':r')
    local address = addressee(e)
    call('DEL', base .. ':kept:' .. log_field(e), base .. ':recent:' .. address)
  end
end
return #gone
