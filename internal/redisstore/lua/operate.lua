-- operate is what a person does to jobs that nobody works on: try again, or delete.
-- KEYS  1-4 base:queue:1-4, 5 the sorted set that the jobs are in, 6 base:wake
-- ARGV  1 base, 2 'retry' or 'delete', 3 STATUS_TTL (ms), 4 event for the jobs' logs, 5 what stands as their last error, 6… their bytes
-- Returns how many of them were still there.
local base, action, done, back = ARGV[1], ARGV[2], 0, {{}, {}, {}, {}}
if action == 'retry' then ours('LLEN', KEYS[1], KEYS[2], KEYS[3], KEYS[4]) end
for i = #ARGV, 6, -1 do
  local e = ARGV[i]
  if (action == 'delete' or readable(e)) and call('ZREM', KEYS[5], e) == 1 then
    done = done + 1
    if action == 'retry' then
      -- One more return (prelude.lua), so that the bytes are none that a worker once had a lease on.
      e = with_error(sub(e, 1, 2) .. char(0, 0, (byte(e, 5) + 8) % 256) .. sub(e, 6), ARGV[5])
      local list = back[priority(e)]
      list[#list + 1] = e
    else
      let_go(base, e)
    end
    if readable(e) then note(base, e, ARGV[4], ARGV[3]) end
  end
end
for p = 1, 4 do push('LPUSH', KEYS[p], back[p]) end
if action == 'retry' and done > 0 then wake(KEYS[6]) end
return done
