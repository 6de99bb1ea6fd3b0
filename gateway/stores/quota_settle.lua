-- Settles a pot: of what is taken, requests that SQL has no record of, that no live worker holds and that
-- are not under way were never used. They are given back.
--
-- KEYS[1] is the pot. ARGV[1] 'look', how long a silent worker counts as alive, and since when something
-- may be unused (microseconds): notes now what is to be compared with SQL, once that knows all that
-- was begun until now. Answers {1} without a pot, {0, now} when it is too early, else {2, now, when it was noted}.
--
-- ARGV[1] 'give', when it was noted, and what SQL has until then (requests, bytes): answers {2, given back}, or {0} when
-- that is not what was noted. 'drop', when it was noted: forgets it.

local key, what = KEYS[1], ARGV[1]
local pot = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  pot[flat[i]] = flat[i + 1]
end
if not pot.m then
  return {1}
end

local function text(number)
  return string.format('%.0f', number)
end

if what == 'look' then
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  if pot.sa then
    return {2, now, tonumber(pot.sa)}
  end
  local silent_us = tonumber(ARGV[2])
  if now - tonumber(ARGV[3]) < silent_us then
    return {0, now}
  end
  local held, under_way = 0, 0
  for name, said in pairs(pot) do
    if string.sub(name, 1, 2) == 'w:' then
      local words = {}
      for word in string.gmatch(said, '%S+') do
        words[#words + 1] = tonumber(word)
      end
      if now - words[7] > silent_us then
        redis.call('HDEL', key, name)
      else
        held = held + words[3]
        under_way = under_way + words[5]
      end
    end
  end
  redis.call('HSET', key, 'sa', text(now), 'sn', text(pot.t - held), 'su', text(under_way))
  return {2, now, now}
end

if pot.sa ~= ARGV[2] then
  return {0}
end
local given = 0
if what == 'give' then
  local noted, requests = tonumber(pot.sn), tonumber(ARGV[3])
  if requests > noted then
    given = noted - requests
  else
    given = math.max(0, noted - requests - tonumber(pot.su))
  end
  redis.call('HSET', key, 't', text(pot.t - given), 'b', text(math.max(tonumber(pot.b), tonumber(ARGV[4]))))
end
redis.call('HDEL', key, 'sa', 'sn', 'su')
return {2, given}
