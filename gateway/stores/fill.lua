-- Cache a verified key, unless something newer stands there (a tombstone among it): an old copy
-- that was long on its way must not bring back what a revocation has removed.
-- ARGV: version, digest, pepper id, body, seal, time to live in ms. Answers 1 if written, 0 if not.

local held = redis.pcall('HGET', KEYS[1], 'v')
-- What is not a hash, or has no number, was not written by us and is replaced.
if type(held) == 'string' and (tonumber(held) or -1) > tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call(
  'HSET', KEYS[1], 'v', ARGV[1], 'd', ARGV[2], 'p', ARGV[3], 'body', ARGV[4], 'seal', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
