-- bodies reads shared bodies, in order, until they add up to max bytes or more; at least one.
-- KEYS  bodies: of the shared bodies
-- Answers bodies: those that were read, '' for one that is missing.
local read, size = {}, 0
for i = bodies_at + 1, #KEYS do
  local body = body_bytes(KEYS[i])
  read[i - bodies_at] = body
  size = size + #read[i - bodies_at]
  if size >= max then break end
end
return answer{bodies = read}
