-- What stands in the change feed after position ARGV[1], at most ARGV[2] entries.
--
-- Answers {0, entries, now in ms} in order; or {1, entries, now in ms} when the position itself is
-- not there any more, or there is none yet: what came between may have been trimmed or flushed, so all
-- has to be forgotten. The entries are then the newest, newest first, and at least one: the next position.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local position = ARGV[1]
if position ~= '' and #redis.call('XRANGE', KEYS[1], position, position) == 1 then
  return {0, redis.call('XRANGE', KEYS[1], '(' .. position, '+', 'COUNT', ARGV[2]), now}
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
if #newest == 0 then
  redis.call('XADD', KEYS[1], '*', 'anchor', '1')
  newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
end
return {1, newest, now}
