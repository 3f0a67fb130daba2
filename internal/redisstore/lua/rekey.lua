-- rekey puts entries of the suppression list that 0.1.0 wrote by address under the names of their persons, beside those that are there.
-- ARGV  entry: address, name and masked, the masked address, which the entry has from then on.
for i = 1, entry_n do
  local address = ARGV[entry_address_at + i]
  local entries = entries_of(call('HGET', suppressed_key, address))
  call('HDEL', suppressed_key, address) -- first, so that a full Redis takes the rest
  for _, one in ipairs(entries) do
    local line = one.line
    if sub(line, 1, 1) == '{' then
      line = '{"a":"' .. ARGV[entry_masked_at + i] .. '"' .. (line == '{}' and '' or ',') .. sub(line, 2)
    end
    enlist(suppressed_key, {ARGV[entry_name_at + i]}, line, false)
  end
end
return answer{}
