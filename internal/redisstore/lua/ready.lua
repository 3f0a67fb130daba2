-- ready says whether a program can do its work on a key, and changes nothing.
-- ARGV  command: those that the program's scripts use
-- Answers denied: the commands that the program's user may not run; from Redis 7 on, since 6.2 does not tell.
local denied = {}
if redis.acl_check_cmd then
  for i = 1, command_n do
    local command = ARGV[command_at + i]
    if not redis.acl_check_cmd(command, one_key) then denied[#denied + 1] = command end
  end
end
-- The removal of nothing is a write: a full Redis takes it, and one that takes no writes refuses it. No job and no webhook is '-'.
if #denied == 0 then call('ZREM', one_key, '-') end
return answer{denied = denied}
