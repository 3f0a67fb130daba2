-- suppress changes the suppression list for operators, imports and providers' own lists.
-- ARGV  change: add, entries that are there stay; sync, as add, in the place of the source's others of the same kind; or remove. row: names, those of a
--       person; entry, and where entries are removed the fields that they have: w, b and f, which is * for those without an account.
-- Answers changed: how many entries were added or removed.
local changed = 0
for i = 1, row_n do
  local names, line = words_of(ARGV[row_names_at + i]), ARGV[row_entry_at + i]
  local wanted = change ~= 'add' and entries_of(line)[1].is
  if change == 'remove' then
    changed = changed + delist(suppressed_key, names, function(is)
      local account = text_in(wanted, 'f')
      return (text_in(wanted, 'w') == '' or text_in(is, 'w') == wanted.w) and (text_in(wanted, 'b') == '' or text_in(is, 'b') == wanted.b)
        and (account == '' or account == '*' and text_in(is, 'f') == '' or names_in(is)[account] == true)
    end)
  else
    if change == 'sync' then
      delist(suppressed_key, names, function(is)
        return text_in(is, 'w') == text_in(wanted, 'w') and text_in(is, 'b') == text_in(wanted, 'b') and not same(is, wanted)
      end)
    end
    if enlist(suppressed_key, names, line, false) then changed = changed + 1 end
  end
end
return answer{changed = changed}
