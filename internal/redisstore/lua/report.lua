-- report applies delivery reports and preferences, each once.
-- ARGV  report: raw, its bytes in base:reports:taken, or '' for a preference that comes straight from its callback; verdict, apply, await to do so once
--       the send that it speaks of is settled, later when the job is not known yet or its message cannot fall back just now, or drop when nothing is
--       known of it; again, in how many ms one that waits is looked at again; log_key and log_field of the job, or ''; id, the event's, as it is in the log; line
--       for the log; action, the remedy for an undelivered message (again, which without attempts left is as move; fail; or move: fail and fall
--       back) or ''; error; message, the provider's id; moved, the channel that the message has fallen back to, '-' when it does not, '' when that
--       is not decided yet; person, entry and lifts of a preference: the names of its person, the first one for a new entry; the entry, or '' where it
--       lifts entries; their reasons, each between spaces.
-- Answers results, one for each report: gone (another program applied it), later, dropped, repeated, applied, again, failed, or
--       move: nothing was changed, and the caller has to let the message fall back, and then to come again with moved. For those, copies: of,
--       the report's number (from 1), and copy, the job's bytes. And evicted, the failed jobs that fell off.
goes_on_when_full(taken_key)
for i = 1, report_n do
  if ARGV[report_action_at + i] ~= '' then
    ours('ZCARD', retry_key, failed_key)
    break
  end
end
ours('HLEN', suppressed_key)
local now = clock()
local results, copies, failed = {}, {}, false

-- text_of returns the text that a command answers with; '' for none, and for a key of another type, which holds no report up.
local function text_of(...)
  local text = redis.pcall(...)
  return type(text) == 'string' and text or ''
end

-- append adds lines to a log.
local function append(key, field, lines)
  if type(redis.pcall('HSET', key, field, text_of('HGET', key, field) .. lines)) == 'number' then call('PEXPIRE', key, status_ttl) end
end

-- redelivery_copy returns the bytes of a sent job for another try, the delay (ms, -1: no attempt is left), and whether it may fall back.
-- It is the copy of the attempt that the report speaks of, and not of one that has been made since.
local function redelivery_copy(field, message)
  local delay, falls_back, of, e = string.match(text_of('GET', base .. ':kept:' .. field), '^(%-?%d+) (%d) (%S+) (.*)$')
  local body = e and body_key(base, e)
  if e and readable(e) and (of == '-' or message == '' or sub(message, 1, #of) == of) and not (body and call('EXISTS', body) == 0) then
    return e, tonumber(delay), falls_back == '1'
  end
end

-- time_of returns the time of an entry or a line of a log (ms) in seconds, since some providers tell no more; nil for none.
local function time_of(text)
  local ms = string.match(text or '', '"t":(%d+)')
  return ms and floor(ms / 1000)
end

-- heed lets a preference change the suppression list: the later one of two holds, in whichever order they come, and each counts once.
-- base:lifted has, under a person's name, when (s) an opt-in last lifted an entry, and which opt-ins have, the latest first. So one that
-- is sent again a year later, by a stranger who has recorded it, lifts nothing.
local function heed(person, entry, lifts, id, line)
  local event, said, lifted_key = sub(id, 6, -2), time_of(line), base .. ':lifted' -- the event is '' of what nobody repeats
  local names, lifted = {}, ''
  for name in string.gmatch(person, '%S+') do
    names[#names + 1] = name
    if lifted == '' then lifted = call('HGET', lifted_key, name) or '' end
  end
  -- Providers repeat, also after the recipient has changed their mind.
  if event ~= '' and (string.find(lifted, ' ' .. event, 1, true) or not call('SET', base .. ':told:' .. event, '1', 'NX', 'PX', status_ttl)) then
    return 'repeated'
  end
  local since = string.match(lifted, '^%d+')
  since = since and tonumber(since)
  if entry ~= '' then
    if since and said < since then return 'repeated' end
    call('HSETNX', suppressed_key, names[1], entry)
    return 'applied'
  end
  local removed = 0
  for _, name in ipairs(names) do
    local there = call('HGET', suppressed_key, name)
    local why = there and string.match(there, '"w":"([%w_]+)"')
    if why and string.find(lifts, ' ' .. why .. ' ', 1, true) and (time_of(there) or 0) <= said then
      removed = removed + call('HDEL', suppressed_key, name)
    end
  end
  if removed > 0 then
    local opt_ins = string.match(lifted, ' .*$') or ''
    if event ~= '' then opt_ins = ' ' .. event .. sub(opt_ins, 1, 20 * (#event + 1)) end
    call('HSET', lifted_key, names[1], string.format('%.0f%s', math.max(said, since or 0), opt_ins))
  end
  return 'applied'
end

for i = 1, report_n do
  local raw, verdict, key, field = ARGV[report_raw_at + i], ARGV[report_verdict_at + i], ARGV[report_log_key_at + i], ARGV[report_log_field_at + i]
  local id, line, message, moved = ARGV[report_id_at + i], ARGV[report_line_at + i], ARGV[report_message_at + i], ARGV[report_moved_at + i]
  local action, person = ARGV[report_action_at + i], ARGV[report_person_at + i]

  -- First the result, before anything is changed. Delivery reports lie beside the log of the sends, which the worker may not have written yet; a log
  -- of many reports takes no more of them.
  local result, reported = 'applied', ''
  if verdict == 'later' then
    result = 'later'
  elseif verdict == 'drop' then
    result = 'dropped'
  elseif key ~= '' then
    reported = text_of('HGET', key, field .. ':r')
    if string.find(reported, id, 1, true) or #reported > 16384 then
      result = 'repeated'
    elseif verdict == 'await' and message ~= '' and not string.find(text_of('HGET', key, field), message, 1, true) then
      result = 'later' -- the redelivery copy is stored by the settlement
    end
  end
  local copy, delay, falls_back
  -- A message that has arrived, by another report, has not failed.
  if result == 'applied' and action ~= '' and not string.find(reported, '"s":"delivered"', 1, true) and not string.find(reported, '"s":"read"', 1, true) then
    copy, delay, falls_back = redelivery_copy(field, message)
  end

  if copy and falls_back and (action == 'move' or action == 'again' and delay < 0) and moved == '' then
    result = 'move'
    copies[#copies + 1] = answer{of = i, copy = copy}
  elseif result == 'later' then
    call('ZADD', taken_key, 'XX', now + tonumber(ARGV[report_again_at + i]), raw)
  elseif raw ~= '' and call('ZREM', taken_key, raw) == 0 then
    result = 'gone'
  elseif result == 'applied' then
    if key ~= '' then append(key, field .. ':r', line) end
    if person ~= '' then result = heed(person, ARGV[report_entry_at + i], ARGV[report_lifts_at + i], id, line) end
    local err = ARGV[report_error_at + i]
    if copy then
      call('DEL', base .. ':kept:' .. field)
      if body_key(base, copy) then refer(body_key(base, copy)) end
      copy = with_error(copy, err)
      if action == 'again' and delay >= 0 then
        append(key, field, string.format('{"t":%.0f,"s":"retry","e":"%s"}\n', now, err))
        call('ZADD', retry_key, string.format('%.0f', now + delay), copy)
        result = 'again'
      else
        local lines = string.format('{"t":%.0f,"s":"failed","e":"%s"}\n', now, err)
        if moved ~= '' and moved ~= '-' then lines = lines .. string.format('{"t":%.0f,"s":"moved","c":"%s"}\n', now, moved) end
        append(key, field, lines)
        call('ZADD', failed_key, ended_at(failed_key, now, copy), copy)
        failed, result = true, 'failed'
      end
    end
  end
  results[i] = result
end
return answer{results = results, copies = copies, evicted = failed and trim(base, failed_key, keep_failed)}
