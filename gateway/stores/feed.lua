-- What stands in the change feed after position ARGV[1], at most ARGV[2] entries.
--
-- Answers {0, entries} in order; or {1, entries, now in ms} when the position itself is not there
-- any more, or there is none yet: what came between may have been trimmed or flushed, so all has to
-- be forgotten. The entries are then the newest, newest first, and at least one: the next position.

local position = ARGV[1]
if position ~= '' and #redis.call('XRANGE', KEYS[1], position, position) == 1 then
  return {0, redis.call('XRANGE', KEYS[1], '(' .. position, '+', 'COUNT', ARGV[2])}
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[2])
if #newest == 0 then
  redis.call('XADD', KEYS[1], '*', 'anchor', '1')
  newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
end
local time = redis.call('TIME')
return {1, newest, time[1] * 1000 + math.floor(time[2] / 1000)}
