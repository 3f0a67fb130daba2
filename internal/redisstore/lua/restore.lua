-- restore takes jobs that were set aside because a program could not read their bytes back to their lists, if this program can. They lie in the
-- failed set behind all others (ended_at in prelude.lua), with their bytes as they were.
-- ARGV  since: the score from which on to look; skip: how many of the latest to pass over, because they were looked at before; max: how many
--       to look at
-- Answers looked and restored: how many were looked at, and how many of these are back; latest: the highest score.
local n = call('ZCOUNT', failed_key, string.format('%.0f', math.max(since, 1e15)), '+inf')
if n <= skip then return answer{} end
-- By rank, from the end: by score, every call would count from the start.
local jobs, back, restored = call('ZRANGE', failed_key, -math.min(n, skip + max), -skip - 1), {}, 0
local latest = call('ZRANGE', failed_key, -1, -1, 'WITHSCORES')[2]
ours('LLEN', KEYS[queue_at + 1], KEYS[queue_at + 2], KEYS[queue_at + 3], KEYS[queue_at + 4])
for _, e in ipairs(jobs) do
  if readable(e) and call('ZREM', failed_key, e) == 1 then
    -- One more return (prelude.lua), so that the bytes differ from those of every earlier lease.
    e = sub(e, 1, 4) .. char((byte(e, 5) + 8) % 256) .. sub(e, 6)
    back[#back + 1] = e
    restored = restored + 1
  end
end
come_back_all(KEYS, queue_at, back)
if restored > 0 then wake(wake_key) end
return answer{looked = #jobs, restored = restored, latest = tonumber(latest)}
