-- restore takes jobs that were set aside because a program could not read their bytes back to the heads of their lists, if this program can.
-- They lie in the failed set behind all others (ended_at in prelude.lua), with their bytes as they were. The latest come first, since each
-- goes before those that are back already.
-- ARGV  skip: how many of them to pass over, because they were looked at before; max: how many to look at
-- Answers looked and restored: how many were looked at, and how many of these are back.
local rest = call('ZCOUNT', failed_key, '1e15', '+inf') - skip
if rest <= 0 then return answer{} end
local from = math.max(0, rest - max)
local jobs, back, restored = call('ZRANGEBYSCORE', failed_key, '1e15', '+inf', 'LIMIT', from, rest - from), {{}, {}, {}, {}}, 0
ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4])
for i = #jobs, 1, -1 do
  local e = jobs[i]
  if readable(e) and call('ZREM', failed_key, e) == 1 then
    -- One more return (prelude.lua), so that the bytes are none that a worker had a lease on before.
    e = sub(e, 1, 4) .. char((byte(e, 5) + 8) % 256) .. sub(e, 6)
    local list = back[priority(e)]
    list[#list + 1] = e
    restored = restored + 1
  end
end
for p = 1, 4 do push('LPUSH', KEYS[queue_at + p], back[p]) end
if restored > 0 then wake(wake_key) end
return answer{looked = #jobs, restored = restored}
