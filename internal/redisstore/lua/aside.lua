-- aside stores a webhook that could not be read, id '' for none, and lets those go that are older than retention (ms; 0 for no limit), and the oldest beyond
-- most or beyond bytes in all. The newest is kept however large it is: its sender has been told that it was taken.
-- base:aside has two fields for each: <id> says what it is, <id>:body is the body. base:index has the ids by when they were stored (ms).
-- Answers dropped: how many were let go beyond the bounds.
local now, dropped, size = clock(), 0, 0
if id ~= '' then
  call('HSET', aside_key, id, about, id .. ':body', body)
  call('ZADD', index_key, now, id)
end
for i, one in ipairs(call('ZRANGE', index_key, '+inf', '-inf', 'BYSCORE', 'REV')) do
  size = size + call('HSTRLEN', aside_key, one) + call('HSTRLEN', aside_key, one .. ':body')
  local old = retention > 0 and tonumber(call('ZSCORE', index_key, one)) < now - retention
  if old or i > most or i > 1 and size > bytes then
    call('HDEL', aside_key, one, one .. ':body')
    call('ZREM', index_key, one)
    if not old then dropped = dropped + 1 end
  end
end
return answer{dropped = dropped}
