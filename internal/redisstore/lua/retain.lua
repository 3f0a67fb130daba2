-- retain deletes what is older than it may be kept: jobs that ended, and records.
-- KEYS  1 base:failed, 2 base:completed, 3 base:audit, 4 base:outbox
-- ARGV  1 base, 2 RETENTION (ms), 3 at most so many of each, 4 the time up to which records go (RFC 3339, UTC, to the second)
-- Returns how many jobs and how many records it deleted.
local til, most, jobs, records = clock() - tonumber(ARGV[2]), tonumber(ARGV[3]), 0, 0
for i = 1, 2 do
  local old = call('ZRANGEBYSCORE', KEYS[i], '-inf', til, 'LIMIT', 0, most)
  if #old > 0 then call('ZREM', KEYS[i], unpack(old)) end
  for _, e in ipairs(old) do let_go(ARGV[1], e) end
  jobs = jobs + #old
end
-- Records are JSON, the latest first; quotes inside of their texts are escaped, so nothing in them passes for the field.
for i, field in ipairs({'at', 'sent_at'}) do
  for _ = 1, most do
    local last = call('LINDEX', KEYS[i + 2], -1)
    local at = last and string.match(last, '"' .. field .. '":"(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)')
    if not at or at > ARGV[4] then break end
    call('RPOP', KEYS[i + 2])
    records = records + 1
  end
end
return {jobs, records}
