-- arrive adds a job that comes from another channel, once.
-- KEYS  1 base:queue:<priority>, 2 base:wake, 3 base:moved:<job>
-- ARGV  1 the job, 2 ms for which it is remembered that it came
-- Returns 1 when it was added, 0 when it had come before.
if not call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[2]) then return 0 end
call('RPUSH', KEYS[1], ARGV[1])
wake(KEYS[2])
return 1
