-- report applies what providers say of messages after the send, each report once.
-- KEYS  1-4 base:queue:1-4, 5 base:retry, 6 base:failed, 7 base:reports, 8 base:wake
-- ARGV  1 base, 2 STATUS_TTL (ms), 3 KEEP_FAILED, then for each report: its bytes in base:reports; 'apply', 'await' to do so once the send
--       that it speaks of is settled, 'later' when what it speaks of is not known yet, 'drop' when nothing is known of it; key and field of the job's log, or ''; the event's id; the event; '' or
--       what the failure calls for: 'again', 'fail', or 'move' (fail, and another channel may try); the error; an address and its entry
--       for the list of those who get nothing, '' to take it off, or '' and ''; the provider's message id
-- Returns for each report what became of it: gone (another program took it), later, dropped, repeated, applied, again, failed; and last,
--       the failed jobs that fell off.
local base, ttl, now = ARGV[1], ARGV[2], clock()
local out, failed = {}, false
for at = 4, #ARGV, 11 do
  local report, verdict, key, field, id, event, action, err, address, entry, message = unpack(ARGV, at, at + 10)
  local result = 'gone'
  if call('LREM', KEYS[7], 1, report) == 1 then
    result = 'applied'
    if verdict == 'later' then
      call('RPUSH', KEYS[7], report)
      result = 'later'
    elseif verdict == 'drop' then
      result = 'dropped'
    elseif key ~= '' then
      -- Beside the log of the sends, which the worker may not have written yet. A log of many reports takes no more of them.
      local log = call('HGET', key, field .. ':r') or ''
      if string.find(log, id, 1, true) or #log > 16384 then
        result = 'repeated'
      elseif verdict == 'await' and message ~= '' and not string.find(call('HGET', key, field) or '', message, 1, true) then
        -- What another try needs is kept by the settlement.
        call('RPUSH', KEYS[7], report)
        result = 'later'
      else
        call('HSET', key, field .. ':r', log .. event)
        call('PEXPIRE', key, ttl)
        -- What has arrived, by another report, has not failed.
        if string.find(log, '"s":"delivered"', 1, true) or string.find(log, '"s":"read"', 1, true) then action = '' end
      end
    end
    if result == 'applied' and address ~= '' then
      local list, time = base .. ':suppressed', '"t":(%d+)'
      if not call('SET', base .. ':told:' .. sub(id, 6, -2), '1', 'NX', 'PX', ttl) then
        result = 'repeated' -- it may be repeated after they have changed their mind
      elseif entry ~= '' then
        call('HSETNX', list, address, entry)
      else
        -- Who says stop after they said start is heeded, in whichever order it comes. Some providers tell seconds.
        local since, said = string.match(call('HGET', list, address) or '', time), string.match(event, time)
        if not since or floor(since / 1000) <= floor(said / 1000) then call('HDEL', list, address) end
      end
    end
    if result == 'applied' and action ~= '' then
      local kept = call('GET', base .. ':kept:' .. field)
      local delay, move, of, e = string.match(kept or '', '^(%-?%d+) (%d) (%S+) (.*)$')
      -- Of the attempt that the report speaks of, and not of one that has been made since.
      if e and readable(e) and (of == '-' or message == '' or sub(message, 1, #of) == of) then
        call('DEL', base .. ':kept:' .. field)
        e = with_error(e, err)
        if action == 'again' and tonumber(delay) >= 0 then
          note(base, e, string.format('{"t":%.0f,"s":"retry","e":"%s"}\n', now, err), ttl)
          call('ZADD', KEYS[5], string.format('%.0f', now + tonumber(delay)), e)
          result = 'again'
        else
          note(base, e, string.format('{"t":%.0f,"s":"failed","e":"%s"}\n', now, err), ttl)
          call('ZADD', KEYS[6], string.format('%.0f', now), e)
          if action == 'move' and move == '1' then call('RPUSH', base .. ':moves', e) end
          failed, result = true, 'failed'
        end
      end
    end
  end
  out[#out + 1] = result
end
out[#out + 1] = failed and trim(base, KEYS[6], tonumber(ARGV[3])) or {}
return out
