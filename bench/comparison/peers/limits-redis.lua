-- A token bucket for each key in Redis, on Redis's clock: one round trip for each request, and right for a cluster.
local redis = require "redis"

local limits = { policy = '"default";q=1000000000;w=60' }
local QUOTA, WINDOW_SECONDS = 1e9, 60

local SCRIPT = [[
local quota, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(held[1]) or quota
local passed = math.max(0, now - (tonumber(held[2]) or now))
tokens = math.min(quota, tokens + passed * quota / window)
if tokens < 1 then return -1 end
redis.call('HSET', KEYS[1], 'tokens', tokens - 1, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 2 * window)
return math.floor(tokens - 1)
]]

local sha

-- By its digest, as every client library does it: the text of the script travels once.
local function run(digest)
  if sha then
    local left, failure = redis.call("EVALSHA", sha, 1, "peer:bucket:" .. digest, QUOTA, WINDOW_SECONDS)
    if not failure or not string.find(failure, "NOSCRIPT", 1, true) then return left, failure end
  end
  local loaded, failure = redis.call("SCRIPT", "LOAD", SCRIPT)
  if not loaded then return nil, failure end
  sha = loaded
  return redis.call("EVALSHA", sha, 1, "peer:bucket:" .. digest, QUOTA, WINDOW_SECONDS)
end

-- What is left in the bucket; below zero: nothing was.
function limits.take(digest)
  return run(digest)
end

return limits
