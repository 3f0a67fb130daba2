-- purge deletes waiting jobs, the oldest first.
-- KEYS  1 a priority list
-- ARGV  1 base, 2 STATUS_TTL (ms), 3 event for the jobs' logs, 4 at most so many
-- Returns how many were deleted.
local jobs = call('LPOP', KEYS[1], ARGV[4]) or {}
for _, e in ipairs(jobs) do
  let_go(ARGV[1], e)
  if readable(e) then note(ARGV[1], e, ARGV[3], ARGV[2]) end
end
return #jobs
