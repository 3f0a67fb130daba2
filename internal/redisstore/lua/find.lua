-- find looks through strings of the log of accepted webhooks (found.go has the form), in the order of the keys, until it has read so many bytes.
-- ARGV  bytes; most: how many entries are enough, and how many are given of one key; term: what is looked for; without one, every entry is
-- Answers entries, those with a term, the latest of each key first; left, how many more than most the keys had; through, how many keys were read; and
-- bytes, how many there were.
local entries, left, total, through = {}, 0, 0, 0
for k = 1, #KEYS - log_at do
  local log = redis.pcall('GET', KEYS[log_at + k])
  if type(log) == 'string' then
    local wanted, every = {}, term_n == 0
    for t = 1, term_n do
      local term = ARGV[term_at + t]
      -- Most strings have none of them anywhere; only the others are read entry by entry.
      if string.find(log, term, 1, true) then wanted[term] = true end
    end
    if every or next(wanted) ~= nil then
      local at, own, n = 1, {}, 0
      while at + 9 <= #log do
        local high, low = byte(log, at, at + 1)
        local size, terms = high * 256 + low, byte(log, at + 9)
        if size < 10 then break end
        local last = at + 6 + terms * 4
        for p = at + 10, every and math.max(last, at + 10) or last, 4 do
          if every or wanted[sub(log, p, p + 3)] then
            n = n + 1
            own[n] = at
            break
          end
        end
        at = at + size
      end
      -- By their places: of one person there may be very many in a time as short as a key's.
      for i = n, math.max(1, n - most + 1), -1 do
        local high, low = byte(log, own[i], own[i] + 1)
        entries[#entries + 1] = sub(log, own[i], own[i] + high * 256 + low - 1)
      end
      left = left + math.max(0, n - most)
    end
    total = total + #log
  end
  through = k
  if total >= bytes or #entries >= most then break end
end
return answer{entries = entries, left = left, through = through, bytes = total}
