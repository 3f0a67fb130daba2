-- renew prolongs leases.
-- ARGV  job: the bytes, at most 1,000
-- Answers lost: the numbers (from 1) of jobs whose lease had ended already; they stay lost.
local til = clock() + lease
goes_on_when_full(inflight_key)
local scores = call('ZMSCORE', inflight_key, unpack(ARGV, job_at + 1, job_at + job_n))
local lost, leases = {}, {}
for i = 1, job_n do
  if scores[i] then
    leases[#leases + 1] = til
    leases[#leases + 1] = ARGV[job_at + i]
  else
    lost[#lost + 1] = i
  end
end
if #leases > 0 then call('ZADD', inflight_key, 'XX', unpack(leases)) end
return answer{lost = lost}
