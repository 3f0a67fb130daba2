-- The record of a sale (docs/decisions/0018): the events that were taken for it and are the newest of their source for some lanes, or wait. It is a text with a line
-- per event: kind, lanes, source, when it happened, when its waiting jobs are due or '-', when it was accepted (all in ms), and its webhook's id, which has
-- no end of a line in it. The kinds are c (order_create), u (order_update), x (order_cancel) and p (payment_complete, refund_complete). A lane is a bit: one
-- for the customer and one for the staff of each channel. In a cluster each channel has a record of its own. Nothing in it is of a person.

-- lane_of returns the lane of a job on the c-th channel.
local function lane_of(c, e)
  return 2 ^ (c * 2 - (sub(recipient(e), 1, 1) == 's' and 1 or 2))
end

-- has_lane says whether a lane is among lanes.
local function has_lane(lanes, lane)
  return floor(lanes / lane) % 2 == 1
end

-- without_lanes returns lanes without some of them.
local function without_lanes(lanes, some)
  local left, lane = 0, 1
  while lane <= lanes do
    if has_lane(lanes, lane) and not has_lane(some, lane) then left = left + lane end
    lane = lane * 2
  end
  return left
end

-- makes_stale says whether an event may make an older one of another kind stale. A payment says nothing of the state of an order, and none of the others
-- can be said by a later event.
local function makes_stale(newer, older)
  return older == 'c' or older == 'u' and newer ~= 'p'
end

-- read_sale returns the events of a sale; nil where the key is another program's.
local function read_sale(key)
  local text, events = redis.pcall('GET', key), {}
  if type(text) == 'table' then return nil end
  for kind, lanes, source, happened, due, at, id in string.gmatch(text or '', '(%l) (%d+) (%x*) (%-?%d+) ([%d.-]+) (%d+) ([^\n]+)\n') do
    events[#events + 1] = {kind = kind, lanes = tonumber(lanes), source = source, happened = tonumber(happened), due = due, accepted = at, id = id}
  end
  return events
end

-- write_sale stores the latest events of a sale, for ttl ms. Sixteen are more than a sale has at once; of others it is only not known that they were there.
local function write_sale(key, events, ttl)
  local lines = {}
  for i = math.max(1, #events - 15), #events do
    local event = events[i]
    lines[#lines + 1] = string.format('%s %d %s %.0f %s %s %s\n', event.kind, event.lanes, event.source, event.happened, event.due, event.accepted, event.id)
  end
  call('SET', key, table.concat(lines), 'PX', string.format('%.0f', ttl))
end
