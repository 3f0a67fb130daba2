-- retain deletes up to max jobs that ended more than retention (ms) ago from each set, and up to max records older than before (RFC 3339, UTC, to the
-- second) from each list.
-- Answers jobs and records: how many it deleted.
local til, jobs, records = clock() - retention, 0, 0
for _, key in ipairs({failed_key, completed_key}) do
  local old = call('ZRANGEBYSCORE', key, '-inf', til, 'LIMIT', 0, max)
  if #old > 0 then call('ZREM', key, unpack(old)) end
  for _, e in ipairs(old) do let_go(base, e) end
  jobs = jobs + #old
end
-- Records are JSON, the latest first. Quotes inside of their texts are escaped, so nothing in them passes for the field.
for field, key in pairs({at = audit_key, sent_at = outbox_key}) do
  for _ = 1, max do
    local last = call('LINDEX', key, -1)
    local at = last and string.match(last, '"' .. field .. '":"(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)')
    if not at or at > before then break end
    call('RPOP', key)
    records = records + 1
  end
end
return answer{jobs = jobs, records = records}
