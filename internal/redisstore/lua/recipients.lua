-- recipients looks the recipients of claimed jobs up: on the suppression list, and, customers, among the messages of the last hour, which it
-- counts.
-- ARGV  recipient_limit 0: none; job: the claimed ones: of, its number; fields, those of the suppression list that an entry of its recipient may be
--       under; name, the recipient's; log_field of the job; customer, '1' or '0'.
-- Answers remarks on some of the jobs: job, its number, with suppressed, the recipient's entries on the suppression list, one per line, or limited, when (ms) the
--       recipient may be written to again.
local now, hour, remarks = clock(), 3600000, {}
if recipient_limit > 0 then goes_on_when_full(inflight_key) end
local listed = call('EXISTS', suppressed_key) == 1

for i = 1, job_n do
  local of = tonumber(ARGV[job_of_at + i])
  local entry = false
  if listed then
    local names = {}
    for name in string.gmatch(ARGV[job_fields_at + i], '%S+') do names[#names + 1] = name end
    local found = call('HMGET', suppressed_key, unpack(names))
    for n = 1, #names do
      if found[n] then entry = (entry and entry .. '\n' or '') .. found[n] end
    end
  end
  if entry then
    remarks[#remarks + 1] = answer{job = of, suppressed = entry}
  elseif recipient_limit > 0 and ARGV[job_customer_at + i] == '1' then
    -- base:recent:<name> has the times of the last hour's messages, and their jobs, so that a job counts once.
    local key, me, recent, counted = base .. ':recent:' .. ARGV[job_name_at + i], ARGV[job_log_field_at + i], {}, false
    local entries = redis.pcall('LRANGE', key, 0, -1)
    if entries.err then
      entries, counted = {}, true -- another program's key: nothing is counted
    end
    for _, one in ipairs(entries) do
      local at, job = string.match(one, '^(%d+) (.*)$')
      if tonumber(at) > now - hour then recent[#recent + 1] = tonumber(at) end
      counted = counted or job == me
    end
    if not counted and #recent >= recipient_limit then
      remarks[#remarks + 1] = answer{job = of, limited = recent[#recent - recipient_limit + 1] + hour}
    elseif not counted then
      call('RPUSH', key, string.format('%.0f %s', now, me))
      call('LTRIM', key, -recipient_limit, -1)
      call('PEXPIRE', key, hour)
    end
  end
end
return answer{remarks = remarks}
