-- What one worker tells of its part in an account's quota of one month, and what it is lent:
-- gateway.core.quota.settle, widen and lend on Redis's clock. The contract suite holds them together.
--
-- KEYS[1] is the pot of the account and month. Arguments: the month's first microsecond and the next
-- month's, the worker's name, how long a silent worker counts as alive (microseconds); what it tells of
-- itself (serial, spent, held, direct, under way, bytes; 1 if it was never answered before, and 1 if it is
-- to be forgotten); how many
-- requests it needs, how many it would have ahead, the limit (-1: none), 1 to lend beyond what was set
-- aside; then, or empty, what was set aside in SQL just now: the sum, the part that was added, 1 if the
-- pot may be made anew from it, the bytes that SQL knows of; requests and bytes on top, and until when.
--
-- Answers {0, now} when it is another month, {1, now} when there is no pot, else
-- {2, now, taken, set aside, bytes, lent, requests on top, bytes on top, until, 1 if a worker fell silent}.
-- Numbers are whole and below 2^53, so doubles hold them exactly.

local PART_LENT = 4
local KEPT_MS = 86400000
local key = KEYS[1]
local start_us, end_us = tonumber(ARGV[1]), tonumber(ARGV[2])
local worker, silent_us = 'w:' .. ARGV[3], tonumber(ARGV[4])
local serial, spent, held = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local direct, under_way, bytes = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local is_fresh = ARGV[11] == '1'
local is_leaving = ARGV[12] == '1'
local need, ahead, limit = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local is_beyond = ARGV[16] == '1'

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if need + ahead > 0 and (now < start_us or now >= end_us) then
  return {0, now}
end

local function text(number)
  return string.format('%.0f', number)
end

local pot = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  pot[flat[i]] = flat[i + 1]
end

if ARGV[17] ~= '' then
  local sum, part = tonumber(ARGV[17]), tonumber(ARGV[18])
  if pot.m then
    local known = tonumber(pot.m)
    if sum > known then
      -- What was set aside between is another's, and so taken.
      pot.t = pot.t + (sum - part - known)
      pot.m = sum
    else
      -- It was taken for another's when a later part was told first.
      pot.t = pot.t - part
    end
  elseif ARGV[19] == '1' then
    pot.t, pot.m = sum - part, sum
    pot.b = 0
  end
  if pot.m then
    pot.b = math.max(tonumber(pot.b), tonumber(ARGV[20]))
    pot.x, pot.y, pot.u = ARGV[21], ARGV[22], ARGV[23]
  end
end
if not pot.m then
  return {1, now}
end

local taken, set_aside, used_bytes = tonumber(pot.t), tonumber(pot.m), tonumber(pot.b)
local before = pot[worker]
if before or is_fresh then
  local b = {0, 0, 0, 0, 0, 0}
  if before then
    local i = 1
    for word in string.gmatch(before, '%S+') do
      b[i] = tonumber(word)
      i = i + 1
    end
  end
  if serial > b[1] then
    taken = taken + (spent + held - direct) - (b[2] + b[3] - b[4])
    used_bytes = used_bytes + bytes - b[6]
  else
    -- It has been overtaken: nothing that it says is so any more.
    need, ahead, worker = 0, 0, nil
  end
end

if now >= tonumber(pot.u) then
  pot.x, pot.y, pot.u = '0', '0', '0'
end
local lent = 0
if limit < 0 then
  lent = need + ahead
else
  local room = limit + tonumber(pot.x)
  if not is_beyond then
    room = math.min(room, set_aside)
  end
  local left = math.max(0, room - taken)
  lent = math.min(need, left)
  local rest = left - lent
  lent = lent + math.min(ahead, (rest - math.fmod(rest, PART_LENT)) / PART_LENT)
  taken = taken + lent
end

local is_someone_silent = 0
for name, said in pairs(pot) do
  if string.sub(name, 1, 2) == 'w:' and name ~= worker then
    local seen = tonumber(string.match(said, '(%d+)$'))
    if now - seen > silent_us then
      is_someone_silent = 1
    end
  end
end

if worker and is_leaving then
  redis.call('HDEL', key, worker)
elseif worker then
  local kept = limit < 0 and held or held + lent
  redis.call('HSET', key, worker, table.concat({text(serial), text(spent), text(kept), text(direct),
    text(under_way), text(bytes), text(now)}, ' '))
end
redis.call('HSET', key, 't', text(taken), 'm', text(set_aside), 'b', text(used_bytes),
  'x', pot.x, 'y', pot.y, 'u', pot.u)
redis.call('PEXPIREAT', key, text(end_us / 1000 + KEPT_MS))
return {2, now, taken, set_aside, used_bytes, lent, tonumber(pot.x), tonumber(pot.y), tonumber(pot.u),
  is_someone_silent}
