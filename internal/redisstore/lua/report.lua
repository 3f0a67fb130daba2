-- report applies delivery reports and preferences, each once.
-- ARGV  report: raw, its bytes in base:reports:taken, or '' for a preference that comes straight from its callback; verdict, apply, await to do so once
--       the send that it speaks of is settled, later when the job is not known yet or its message cannot fall back just now, or drop when nothing is
--       known of it; again, in how many ms one that waits is looked at again; log_key and log_field of the job, or ''; id, the event's, as it is in the log; line
--       for the log; action, the remedy for an undelivered message (again, which without attempts left is as move; fail; or move: fail and fall
--       back) or ''; error; message, the provider's id; moved, the channel that the message has fallen back to, '-' when it does not, '' when that
--       is not decided yet; and of a preference: person, the names, the first one for a new entry; entry,
--       or '' where it lifts entries; lifts, their kinds, each between spaces; senders, the names of our account that it was said to, one per line, '' for all;
--       source, whose entries alone it lifts, '' for any; and word, which the wishes have in common of which the later holds, '' where no opt-in lifts the entry.
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
local results, copies, failed, minute = {}, {}, 0, {d = 0, u = 0}

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

-- ms_of returns the time of a line of a log (ms).
local function ms_of(line)
  return tonumber(string.match(line, '"t":(%d+)') or 0)
end

-- lifts_some removes the entries that an opt-in lifts. Those of the same kinds that were said to other accounts of ours stay, and say when the person opted
-- in here. It returns whether there were any of either.
local function lifts_some(names, lifts, senders, source, said_ms)
  local some, said, ours, every = false, floor(said_ms / 1000), {}, senders == ''
  for name in string.gmatch(senders, '[^\n]+') do ours[name] = true end
  for _, name in ipairs(names) do
    local rest, entries, changed = {}, entries_of(call('HGET', suppressed_key, name)), false
    for _, one in ipairs(entries) do
      local is, here = one.is, every
      -- Providers tell seconds, some of them.
      local meant = string.find(lifts, ' ' .. text_in(is, 'w') .. ' ', 1, true) and floor(number_in(is, 't') / 1000) <= said
        and (source == '' or text_in(is, 'b') == '' or is.b == source)
      if meant then
        here = here or text_in(is, 'f') == ''
        for account in pairs(names_in(is)) do here = here or ours[account] end
        some, changed = true, true
        is.l = math.max(number_in(is, 'l'), said_ms)
        one.line = cjson.encode(is)
      end
      if not meant or not here then rest[#rest + 1] = one end
    end
    if changed then store_entries(suppressed_key, name, rest) end
  end
  return some
end

-- lifted_of returns what is remembered of a person's opt-ins under one of their names.
local function lifted_of(key, names, suffix)
  for _, name in ipairs(names) do
    local text = call('HGET', key, name .. suffix)
    if text then return text, tonumber(string.match(text, '^%d+') or 0) end
  end
  return '', 0
end

-- heed lets a preference change the suppression list: the later one of two by the same account holds, in whichever order they come, and each counts
-- once. base:lifted has, under a person's name, when (s) an opt-in last lifted an entry, and which opt-ins have, the latest first. So one that
-- is sent again a year later, by a stranger who has recorded it, lifts nothing. Under the name and the word it has the time of that account.
local function heed(person, entry, lifts, senders, source, word, id, line)
  local event, said_ms, lifted_key = sub(id, 6, -2), ms_of(line), base .. ':lifted' -- the event is '' of what nobody repeats
  local names, said = words_of(person), floor(said_ms / 1000)
  local lifted, since = lifted_of(lifted_key, names, '')
  -- Providers repeat, also after the recipient has changed their mind.
  if event ~= '' and (string.find(lifted, ' ' .. event, 1, true) or not call('SET', base .. ':told:' .. event, '1', 'NX', 'PX', status_ttl)) then
    return 'repeated'
  end
  local _, here = lifted_of(lifted_key, names, ' ' .. word)
  if entry ~= '' then
    if word ~= '' and (said < here or said < since and senders == '' and source == '') then return 'repeated' end
    if word ~= '' and source == '' and said < since then
      entry = sub(entry, 1, -2) .. string.format(',"l":%.0f}', since * 1000)
    end
    enlist(suppressed_key, names, entry, true)
    return 'applied'
  end
  if lifts_some(names, lifts, senders, source, said_ms) then
    local opt_ins = string.match(lifted, ' .*$') or ''
    if event ~= '' then opt_ins = ' ' .. event .. sub(opt_ins, 1, 20 * (#event + 1)) end
    if source == '' then since = math.max(said, since) end
    call('HSET', lifted_key, names[1], string.format('%.0f%s', since, opt_ins), names[1] .. ' ' .. word, string.format('%.0f', math.max(said, here)))
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
    if key ~= '' then
      append(key, field .. ':r', line)
      local arrived = string.find(line, '"s":"delivered"', 1, true) or string.find(line, '"s":"read"', 1, true)
      if string.find(line, '"s":"undelivered"', 1, true) then
        minute.u = minute.u + 1
      elseif arrived and not string.find(reported, '"s":"delivered"', 1, true) and not string.find(reported, '"s":"read"', 1, true) then
        minute.d = minute.d + 1
      end
    end
    if person ~= '' then
      result = heed(person, ARGV[report_entry_at + i], ARGV[report_lifts_at + i], ARGV[report_senders_at + i], ARGV[report_source_at + i], ARGV[report_word_at + i], id, line)
    end
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
        failed, result = failed + 1, 'failed'
      end
    end
  end
  results[i] = result
end
local evicted = failed > 0 and trim(base, failed_key, keep_failed) or {}
minute.f, minute.e = failed, #evicted
tally(base, now, minute)
return answer{results = results, copies = copies, evicted = evicted}
