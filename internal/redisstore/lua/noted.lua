-- noted adds deliveries of a sender, the latest last, to the newest keep of each list, lets those go that are older than before (RFC 3339, UTC, to the second) and
-- the list with them ttl (ms) after its latest, and counts outcomes.
-- Each outcome has two fields in base:counts: <sender>/<outcome> is how often, with /at behind it the latest time (ms).
local function add(key, at, n)
  for i = 1, n do call('LPUSH', key, ARGV[at + i]) end
  if n > 0 then
    call('LTRIM', key, 0, keep - 1)
    call('PEXPIRE', key, ttl)
  end
  while true do -- at most keep times
    local last = call('LINDEX', key, -1)
    local at_of = last and string.match(last, '^{"at":"(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)')
    if not at_of or at_of > before then break end
    call('RPOP', key)
  end
end
add(latest_key, latest_at, latest_n)
add(refused_key, refused_at, refused_n)
for i = 1, outcome_n do
  local field = sender .. '/' .. ARGV[outcome_name_at + i]
  call('HINCRBY', counts_key, field, ARGV[outcome_count_at + i])
  call('HSET', counts_key, field .. '/at', ARGV[outcome_time_at + i])
end
return answer{}
