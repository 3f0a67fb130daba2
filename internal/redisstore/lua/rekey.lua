-- rekey puts entries of the suppression list that 0.1.0 wrote by address under the names of their persons. The entry that is under a name stays.
-- ARGV  entry: address, name and masked, the masked address, which the entry has from then on.
for i = 1, entry_n do
  local address = ARGV[entry_address_at + i]
  local entry = call('HGET', suppressed_key, address)
  if entry then
    call('HDEL', suppressed_key, address)
    if sub(entry, 1, 1) == '{' then
      entry = '{"a":"' .. ARGV[entry_masked_at + i] .. '"' .. (entry == '{}' and '' or ',') .. sub(entry, 2)
    end
    call('HSETNX', suppressed_key, ARGV[entry_name_at + i], entry)
  end
end
return answer{}
