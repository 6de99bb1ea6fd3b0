-- Take tokens for several requests, one after another at one instant, each from every bucket of
-- KEYS or from none: gateway.core.limits.take_all on Redis's clock. The contract suite holds the
-- two together.
--
-- Each bucket has five arguments: quota, window in seconds, debt in tokens, and what the asking
-- worker last saw in it (micro-tokens, microseconds; two empty strings when nothing). That last
-- sight stands in for a bucket which Redis has lost. The arguments after those are the costs of the
-- requests, in tokens, in the order in which they are to be decided.
--
-- Answers {now, tokens, at, tokens, at, ...}: the buckets filled up to now and less their debt,
-- before the first cost. Numbers are whole and below 2^53, so doubles hold them exactly.

local MICRO = 1000000
local ARGUMENTS = 5

-- fmod is exact where dividing and rounding down is not.
local function quotient(a, b)
  return (a - math.fmod(a, b)) / b
end

local function stored(key, known_tokens, known_at, now)
  local text = redis.pcall('GET', key)
  if type(text) == 'string' then
    local tokens, at = string.match(text, '^(%-?%d+) (%d+)$')
    if tokens then
      return tonumber(tokens), tonumber(at), true
    end
  end
  if known_tokens ~= '' then
    -- It may come from another server's clock, which must not keep this bucket from filling.
    return tonumber(known_tokens), math.min(tonumber(known_at), now), false
  end
  return nil
end

local time = redis.call('TIME')
local now = time[1] * MICRO + time[2]
local answer = {now}
local held = {}
local buckets = {}

for i, key in ipairs(KEYS) do
  local first = (i - 1) * ARGUMENTS
  local quota, window, debt = tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local capacity = quota * MICRO
  local tokens, at, is_stored = stored(key, ARGV[first + 4], ARGV[first + 5], now)
  local is_lost = tokens ~= nil and not is_stored
  if tokens then
    local elapsed = math.min(math.max(now - at, 0), 2 * window * MICRO)
    local whole = quotient(elapsed, window)
    local rest = elapsed - whole * window
    local minted = whole * quota + quotient(rest * quota, window)
    tokens = math.min(math.max(tokens, -capacity) + minted, capacity)
    at = math.max(now, at)
  else
    tokens, at = capacity, now
  end
  tokens = math.max(tokens - debt * MICRO, -capacity)
  held[i] = tokens
  buckets[i] = {at, debt > 0 or is_lost, capacity, quota, window}
  answer[2 * i] = tokens
  answer[2 * i + 1] = at
end

local function take(price)
  for i = 1, #held do
    if held[i] < price then
      return false
    end
  end
  for i = 1, #held do
    held[i] = held[i] - price
  end
  return true
end

local is_any_allowed = false
for i = #KEYS * ARGUMENTS + 1, #ARGV do
  if take(ARGV[i] * MICRO) then
    is_any_allowed = true
  end
end

for i, key in ipairs(KEYS) do
  local at, is_changed, capacity, quota, window = unpack(buckets[i])
  if is_any_allowed or is_changed then
    -- Gone when it would be full again; a second of slack covers the rounding.
    local full_in = (at - now) / 1000 + (capacity - held[i]) / quota * window / 1000 + 1000
    redis.call('SET', key, string.format('%.0f %.0f', held[i], at), 'PX', string.format('%.0f', full_in))
  end
end

return answer
