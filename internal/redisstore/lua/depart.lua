-- depart takes a job that has arrived on another channel, or is too late for one, off the list of those that are to be moved.
-- KEYS  1 base:moves
-- ARGV  1 base, 2 STATUS_TTL (ms), 3 the job, 4 event for its log or ''
-- Returns 1 when it was still there.
if call('LREM', KEYS[1], 1, ARGV[3]) == 0 then return 0 end
if ARGV[4] ~= '' then note(ARGV[1], ARGV[3], ARGV[4], ARGV[2]) end
return 1
