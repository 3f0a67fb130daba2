-- operate is what an operator does to jobs that no worker has: retry or delete.
-- KEYS  jobs: the sorted set that the jobs are in
-- ARGV  retry: otherwise they are deleted; line for the jobs' logs; last_error of a retried job; job: their bytes
-- Answers changed: how many of them were still there.
local changed, back = 0, {}
if retry then ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4]) end
for i = 1, job_n do
  local e = ARGV[job_at + i]
  if (not retry or readable(e)) and call('ZREM', jobs_key, e) == 1 then
    changed = changed + 1
    if retry then
      -- One more return (prelude.lua), so that the bytes differ from those of every earlier lease.
      e = with_error(sub(e, 1, 2) .. char(0, 0, (byte(e, 5) + 8) % 256) .. sub(e, 6), last_error)
      back[#back + 1] = e
    else
      let_go(base, e)
    end
    if readable(e) then note(base, e, line, status_ttl) end
  end
end
come_back_all(KEYS, queue_at, back)
if retry and changed > 0 then wake(wake_key) end
return answer{changed = changed}
