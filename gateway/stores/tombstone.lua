-- Forget a cached key, and keep copies older than version ARGV[1] out for ARGV[2] ms.

local held = redis.pcall('HGET', KEYS[1], 'v')
if type(held) == 'string' and (tonumber(held) or -1) > tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
