-- forget deletes jobs that have a person's data, with their logs.
-- KEYS  jobs: a priority list, or a sorted set
-- ARGV  first and last: the part of the list that the jobs are in, as LRANGE has it, counted from its end (0 and 0: it is a set); job: raw,
--       their bytes, and name, their recipient's
-- Answers deleted: how many of them were still there.
local gone = {}
if first == 0 then
  for i = 1, job_n do
    if call('ZREM', jobs_key, ARGV[job_raw_at + i]) == 1 then gone[#gone + 1] = ARGV[job_raw_at + i] end
  end
else
  -- Marked where they stand, which costs little, and then taken out in one pass over the end of the list.
  local wanted, marked = {}, '\0forgotten'
  for i = 1, job_n do wanted[ARGV[job_raw_at + i]] = true end
  local from = math.max(first, -call('LLEN', jobs_key))
  for i, e in ipairs(call('LRANGE', jobs_key, from, last)) do
    if wanted[e] then
      call('LSET', jobs_key, from + i - 1, marked)
      gone[#gone + 1] = e
    end
  end
  if #gone > 0 then call('LREM', jobs_key, -#gone, marked) end
end
for _, e in ipairs(gone) do
  let_go(base, e)
  if readable(e) then
    redis.pcall('HDEL', log_key(base, e), log_field(e), log_field(e) .. ':r')
    call('DEL', base .. ':kept:' .. log_field(e))
  end
end
for i = 1, job_n do call('DEL', base .. ':recent:' .. ARGV[job_name_at + i]) end
return answer{deleted = #gone}
