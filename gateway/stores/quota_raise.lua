-- What is allowed on top of a quota has changed: requests, bytes, and until when. Nothing without a pot, which
-- reads it from SQL when it is made. Answers 1 if there is a pot.
if redis.call('HEXISTS', KEYS[1], 'm') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'x', ARGV[1], 'y', ARGV[2], 'u', ARGV[3])
return 1
