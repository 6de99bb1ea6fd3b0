-- Note that worker ARGV[1] lives (an empty name only asks), and answer with the names of all that
-- were noted within the last ARGV[2] ms, on this server's clock.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reach = tonumber(ARGV[2])
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - reach)
  -- Left by a clock that has since stepped back: nobody there would ever go.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], now + reach, '+inf')
  redis.call('PEXPIRE', KEYS[1], 2 * reach)
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (now - reach), '(' .. (now + reach))
