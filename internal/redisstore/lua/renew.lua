-- renew prolongs leases.
-- KEYS  1 base:inflight
-- ARGV  1 LEASE (ms), 2… the bytes of the jobs, at most 1,000
-- Returns indices (from 1) of jobs whose lease had ended already; they stay lost.
local til = clock() + tonumber(ARGV[1])
local jobs = {unpack(ARGV, 2)}
goes_on_when_full(KEYS[1])
local held = call('ZMSCORE', KEYS[1], unpack(jobs))
local lost, leases = {}, {}
for i, e in ipairs(jobs) do
  if held[i] then
    leases[#leases + 1] = til
    leases[#leases + 1] = e
  else
    lost[#lost + 1] = i
  end
end
if #leases > 0 then call('ZADD', KEYS[1], 'XX', unpack(leases)) end
return lost
