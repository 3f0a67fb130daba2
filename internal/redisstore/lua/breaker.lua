-- The providers' breakers, for the scripts that use them. A breaker is a field of the state hash, 'b:<provider>'; absent means
-- closed, with nothing to remember. Its text:
--   state until opens probe window ok bad reason…
-- state: C closed and counting, H throttled (a 429) until then, O open until then, and then half-open, R recovering from probe to until;
-- opens: how often in a row it opened; probe: until when a probe is out; window: when counting began; ok, bad: answers since then.
local function load_breaker(text)
  local b = {state = 'C', til = 0, opens = 0, probe = 0, window = 0, ok = 0, bad = 0, reason = ''}
  if text then
    local s, til, opens, probe, window, ok, bad, reason = string.match(text, '^(%u) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
    if s then
      b = {state = s, til = tonumber(til), opens = tonumber(opens), probe = tonumber(probe), window = tonumber(window),
        ok = tonumber(ok), bad = tonumber(bad), reason = reason}
    end
  end
  return b
end

local function save_breaker(state_key, provider, b)
  call('HSET', state_key, 'b:' .. provider, string.format('%s %.0f %.0f %.0f %.0f %.0f %.0f %s',
    b.state, b.til, b.opens, b.probe, b.window, b.ok, b.bad, b.reason))
end

-- mark notes when a breaker opened or closed, or a worker of another version came, for the graphs (minutes.go). Of a channel the latest 200 marks are kept, for as long as the counts by minute.
local function mark(state_key, now, kind, what)
  local key = sub(state_key, 1, -7) .. ':marks'
  if type(redis.pcall('LPUSH', key, string.format('{"t":%.0f,"k":"%s","w":%s}', now, kind, cjson.encode(what)))) == 'number' then
    call('LTRIM', key, 0, 199)
    call('PEXPIRE', key, minutes_kept)
  end
end

-- heed_health lets a provider's health change its breaker, which has the text given, or false. limits has failures, window, open_min, open_max
-- and ramp (0: no ramp), all in ms but failures; h has provider, healthy and failed (answers), account and probed (true or false), throttle
-- (ms) and reason.
local function heed_health(now, state_key, halted_key, text, limits, h)
  local b = load_breaker(text)
  local trip = h.account
  if b.state == 'O' then
    -- Late answers of sends from before it opened say nothing new; the probe does.
    trip = false
    if h.probed then
      b.probe = 0
      if h.failed > 0 or h.account then
        trip = true
      elseif h.healthy > 0 then
        b.state = ''
        if limits.ramp > 0 then
          b.state, b.probe, b.til, b.window, b.ok, b.bad = 'R', now, now + limits.ramp, now, 0, 0
        end
        call('HDEL', halted_key, 'breaker')
        mark(state_key, now, 'breaker closed', h.provider)
      elseif h.throttle > 0 then
        -- A 429 is no verdict; the next probe waits for as long as the provider asked.
        b.til = math.max(b.til, now + h.throttle)
      end
    end
  else
    if (b.state == 'H' or b.state == 'R') and now >= b.til then b.state, b.opens = 'C', 0 end
    if now - b.window > limits.window then b.window, b.ok, b.bad = now, 0, 0 end
    b.ok, b.bad = b.ok + h.healthy, b.bad + h.failed
    if b.bad >= limits.failures and b.bad >= b.ok then trip = true end
  end
  if trip then
    if b.state ~= 'O' then mark(state_key, now, 'breaker opened', h.provider) end
    b.til = now + math.max(math.min(limits.open_min * 2 ^ b.opens, limits.open_max), h.throttle)
    b.state, b.opens, b.probe, b.reason = 'O', math.min(b.opens + 1, 30), 0, h.reason
  elseif h.throttle > 0 and b.state ~= 'O' then
    b.state, b.til, b.reason = 'H', math.max(b.til, now + h.throttle), h.reason
  end
  if b.state == '' or (b.state == 'C' and b.bad == 0) then
    call('HDEL', state_key, 'b:' .. h.provider)
  else
    save_breaker(state_key, h.provider, b)
  end
end

-- breaker_states returns an answer for each provider whose breaker is not closed; the providers are names from skip + 1 on, n of them. When all
-- are open, it says so in the halted hash.
local function breaker_states(state_key, halted_key, names, skip, n)
  local out, fields, open, reasons = {}, {}, 0, ''
  if n == 0 then return out end
  for i = 1, n do fields[i] = 'b:' .. names[skip + i] end
  local texts = call('HMGET', state_key, unpack(fields))
  for i = 1, n do
    if texts[i] then
      local b, name = load_breaker(texts[i]), names[skip + i]
      if b.state ~= 'C' then
        out[#out + 1] = answer{provider = name, state = b.state, til = b.til, reason = b.reason}
      end
      if b.state == 'O' then
        open = open + 1
        reasons = reasons .. (reasons == '' and '' or '; ') .. name .. ': ' .. b.reason
      end
    end
  end
  if open == n then call('HSET', halted_key, 'breaker', reasons) end
  return out
end

-- choose_provider says which provider takes jobs now: the first whose breaker lets messages through. The breakers are texts from skip + 1 on,
-- in the order of the n providers. A provider before it that is due for a probe gets one job. A provider that is recovering gets a
-- share that grows, as long as another can take the rest. Returns the provider, counted from 0, or -1; the one to probe, or -1; whether
-- another one after that is due for a probe; and when the first of the open or throttled ones may be used again, or nil.
local function choose_provider(now, texts, skip, n)
  local probe, more, free_at, recovering = -1, false, nil, -1
  for i = 1, n do
    local text = texts[skip + i]
    if not text then return i - 1, probe, more, free_at end
    local b = load_breaker(text)
    if b.state == 'O' and now >= b.til and now >= b.probe then
      if probe < 0 then probe = i - 1 else more = true end
    elseif b.state == 'R' and now < b.til and (now - b.probe) / (b.til - b.probe) * 1000 < call('TIME')[2] % 1000 then
      if recovering < 0 then recovering = i - 1 end
    elseif b.state == 'C' or b.state == 'R' or (b.state == 'H' and now >= b.til) then
      return i - 1, probe, more, free_at
    else
      free_at = math.min(free_at or math.huge, math.max(b.til, b.probe))
    end
  end
  return recovering, probe, more, free_at
end

-- shift_breakers moves the breakers' times back with Redis's clock.
local function shift_breakers(state_key, back)
  local state = call('HGETALL', state_key)
  for i = 1, #state, 2 do
    if sub(state[i], 1, 2) == 'b:' then
      local b = load_breaker(state[i + 1])
      b.til, b.probe, b.window = math.max(0, b.til - back), math.max(0, b.probe - back), math.max(0, b.window - back)
      save_breaker(state_key, sub(state[i], 3), b)
    end
  end
end
