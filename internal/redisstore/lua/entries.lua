-- Shared by the scripts that change the suppression list, in pieces as prelude.lua. base:suppressed has a person's entries under their name, one
-- per line, each in JSON: t when its source last said so (ms), w why, b the source, f our sender account, g other names of the account, a the
-- masked address, and l when (ms) the person opted in at another account. An entry without an account is for all, and so is one of an older
-- release, which has s in the place of f, and is the only one under its name.
-- entries_of reads the entries under a name. Each has is, its fields, and line, its text; one that cannot be read has no fields.
local function entries_of(text)
  local entries = {}
  for line in string.gmatch(text or '', '[^\n]+') do
    local ok, is = pcall(cjson.decode, line)
    entries[#entries + 1] = {line = line, is = ok and type(is) == 'table' and is or {}}
  end
  return entries
end

-- text_in returns a text of an entry; '' where it is missing, or something else.
local function text_in(is, field)
  return type(is[field]) == 'string' and is[field] or ''
end

-- number_in returns a number of an entry; 0 where it is missing, or something else.
local function number_in(is, field)
  return type(is[field]) == 'number' and is[field] or 0
end

-- names_in returns the set of the names of an entry's account; of none where it is for all.
local function names_in(is)
  local names = {}
  if text_in(is, 'f') ~= '' then names[is.f] = true end
  for _, name in ipairs(type(is.g) == 'table' and is.g or {}) do names[name] = true end
  return names
end

-- store_entries writes the entries under a name.
local function store_entries(key, name, entries)
  local lines = {}
  for i, one in ipairs(entries) do lines[i] = one.line end
  if #lines == 0 then return call('HDEL', key, name) end
  return call('HSET', key, name, table.concat(lines, '\n'))
end

-- same says whether two entries are one: of one kind, for one account, from one source. Operators are one source.
local function same(a, b)
  local why = text_in(a, 'w')
  return why == text_in(b, 'w') and text_in(a, 'f') == text_in(b, 'f') and (why == 'operator' or why == 'import' or text_in(a, 'b') == text_in(b, 'b'))
end

-- words_of returns the words of a text.
local function words_of(text)
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  return words
end

-- most_entries bounds a person's entries: an account at a provider may have thousands of numbers, and a person can write STOP to each.
local most_entries = 32

-- enlist adds an entry of a person under the first of their names, and says whether it is a new one. One that is there stays, unless its
-- source says it anew: then it has the later time, and all names of the account. Past the bound, a new entry holds for all accounts, in the place of
-- those of its kind and source.
local function enlist(key, names, line, anew)
  local new = entries_of(line)[1] or {line = line, is = {}}
  local first
  for i, name in ipairs(names) do
    local entries = entries_of(call('HGET', key, name))
    for _, one in ipairs(entries) do
      if same(one.is, new.is) then
        if anew and number_in(new.is, 't') >= number_in(one.is, 't') then
          local also = names_in(one.is)
          for other in pairs(names_in(new.is)) do also[other] = true end
          also[text_in(new.is, 'f')] = nil
          new.is.g = nil
          for other in pairs(also) do
            new.is.g = new.is.g or {}
            if #new.is.g < most_entries then table.insert(new.is.g, other) end
          end
          one.line = cjson.encode(new.is)
          store_entries(key, name, entries)
        end
        return false
      end
    end
    if i == 1 then first = entries end
  end
  if #first >= most_entries and text_in(new.is, 'f') ~= '' then
    new.is.f, new.is.g = nil, nil
    local rest = {}
    for _, one in ipairs(first) do
      if text_in(one.is, 'w') ~= text_in(new.is, 'w') or text_in(one.is, 'b') ~= text_in(new.is, 'b') then rest[#rest + 1] = one end
    end
    first, new.line = rest, cjson.encode(new.is)
  end
  first[#first + 1] = new
  store_entries(key, names[1], first)
  return true
end

-- delist removes those of a person's entries that a function picks, and returns how many they were.
local function delist(key, names, picks)
  local removed = 0
  for _, name in ipairs(names) do
    local rest, entries = {}, entries_of(call('HGET', key, name))
    for _, one in ipairs(entries) do
      if not picks(one.is) then rest[#rest + 1] = one end
    end
    if #rest < #entries then
      removed = removed + #entries - #rest
      store_entries(key, name, rest)
    end
  end
  return removed
end
