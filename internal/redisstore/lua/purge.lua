-- purge deletes up to max jobs of a priority list, the oldest first.
-- ARGV  line for the jobs' logs
-- Answers deleted: how many.
local jobs = call('LPOP', jobs_key, max) or {}
for _, e in ipairs(jobs) do
  let_go(base, e)
  if readable(e) then note(base, e, line, status_ttl) end
end
return answer{deleted = #jobs}
