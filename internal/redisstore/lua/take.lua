-- take hands out up to max delivery reports, from the head of the list and of those whose time has come again, half of each where both wait. From
-- then on they are in the sorted set, until they are applied. Those of a program that died are handed out again when their lease (ms) ends.
-- Answers reports: their bytes; and now, Redis's time (ms).
goes_on_when_full(taken_key)
local now = clock()
local due = call('ZRANGEBYSCORE', taken_key, '-inf', now, 'LIMIT', 0, max)
local reports = call('LPOP', reports_key, max - math.min(#due, floor(max / 2))) or {}
for i = 1, math.min(#due, max - #reports) do reports[#reports + 1] = due[i] end
local leases = {}
for i, raw in ipairs(reports) do
  leases[i * 2 - 1] = now + lease
  leases[i * 2] = raw
end
if #reports > 0 then call('ZADD', taken_key, unpack(leases)) end
return answer{reports = reports, now = now}
