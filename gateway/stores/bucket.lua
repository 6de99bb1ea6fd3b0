-- Take tokens for several requests, one after another at one instant, each from every bucket of
-- KEYS or from none, and lend some ahead: gateway.core.limits.take_all and gateway.core.leases on
-- Redis's clock. The contract suite holds them together.
--
-- The first two arguments are the asking worker's name and how long a loan lasts, in microseconds.
-- Each bucket then has eight: quota, window in seconds, debt in tokens, what the worker last saw in
-- it (micro-tokens, microseconds; two empty strings when nothing), how many tokens it holds of an
-- earlier loan, how many of that it gives back, and how many it would borrow (an empty string and
-- two zeros when it does not speak of its loan). That last sight stands in for a bucket which Redis
-- has lost. The arguments after those are the costs of the requests, in tokens, in the order in
-- which they are to be decided.
--
-- A bucket is stored as "tokens at", followed by " worker tokens expires" for each loan.
--
-- Answers {now, tokens, at, lent, tokens, at, lent, ...}: the buckets filled up to now and less
-- their debt, before the first cost. Numbers are whole and below 2^53, so doubles hold them exactly.

local MICRO = 1000000
local FIXED = 2
local ARGUMENTS = 8
local PART_LENT = 4
local worker, loan_us = ARGV[1], tonumber(ARGV[2])

-- fmod is exact where dividing and rounding down is not.
local function quotient(a, b)
  return (a - math.fmod(a, b)) / b
end

local function stored(key, known_tokens, known_at, now)
  local text = redis.pcall('GET', key)
  if type(text) == 'string' then
    local tokens, at, rest = string.match(text, '^(%-?%d+) (%d+)(.*)$')
    if tokens then
      return tonumber(tokens), tonumber(at), true, rest
    end
  end
  if known_tokens ~= '' then
    -- It may come from another server's clock, which must not keep this bucket from filling.
    return tonumber(known_tokens), math.min(tonumber(known_at), now), false, ''
  end
  return nil, nil, false, ''
end

-- The loans that are not over, the worker's own apart, and the sum of all.
local function loans_in(text, now)
  local others, own, lent, latest = '', 0, 0, 0
  for name, tokens, expires in string.gmatch(text, ' (%S+) (%d+) (%d+)') do
    if tonumber(expires) > now then
      lent = lent + tonumber(tokens)
      if name == worker then
        own = tonumber(tokens)
      else
        others = others .. ' ' .. name .. ' ' .. tokens .. ' ' .. expires
        latest = math.max(latest, tonumber(expires))
      end
    end
  end
  return others, own, lent, latest
end

local time = redis.call('TIME')
local now = time[1] * MICRO + time[2]
local answer = {now}
local held = {}
local buckets = {}

for i, key in ipairs(KEYS) do
  local first = FIXED + (i - 1) * ARGUMENTS
  local quota, window, debt = tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local holding, returned = tonumber(ARGV[first + 6]), tonumber(ARGV[first + 7])
  local capacity = quota * MICRO
  local tokens, at, is_stored, text = stored(key, ARGV[first + 4], ARGV[first + 5], now)
  local is_lost = tokens ~= nil and not is_stored
  local others, own, lent, latest = '', 0, 0, 0
  if text ~= '' then
    others, own, lent, latest = loans_in(text, now)
  end
  if is_lost and holding then
    own = holding
    lent = lent + own
  end
  if tokens then
    local elapsed = math.min(math.max(now - at, 0), 2 * window * MICRO)
    local whole = quotient(elapsed, window)
    local rest = elapsed - whole * window
    local minted = whole * quota + quotient(rest * quota, window)
    tokens = math.min(math.max(tokens, -capacity) + minted, capacity - lent * MICRO)
    at = math.max(now, at)
  else
    tokens, at = capacity - lent * MICRO, now
  end
  local kept = own
  if holding then
    kept = math.min(holding, own)
    tokens = tokens + math.min(returned, own - kept) * MICRO
  end
  -- Deeper than a debt goes only what is lent: more than the quota, when that has become smaller.
  tokens = math.max(tokens - debt * MICRO, math.min(tokens, -capacity))
  held[i] = tokens
  local is_changed = debt > 0 or is_lost or (holding ~= nil and own > 0)
  buckets[i] = {at, is_changed, capacity, quota, window, others, latest, kept, text}
  answer[3 * i - 1] = tokens
  answer[3 * i] = at
  answer[3 * i + 1] = 0
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
for i = FIXED + #KEYS * ARGUMENTS + 1, #ARGV do
  if take(ARGV[i] * MICRO) then
    is_any_allowed = true
  end
end

-- The worker's own loan as it stands from now on, and when the last of all loans is over.
local function own_loan(i, others, latest, kept, text)
  local first = FIXED + (i - 1) * ARGUMENTS
  if ARGV[first + 6] == '' then
    local mine = string.match(text, ' ' .. worker .. ' %d+ (%d+)')
    if kept > 0 and mine then
      return others .. ' ' .. worker .. ' ' .. string.format('%.0f', kept) .. ' ' .. mine,
        math.max(latest, tonumber(mine)), 0
    end
    return others, latest, 0
  end
  local lent = math.max(0, math.min(tonumber(ARGV[first + 8]), quotient(held[i], MICRO * PART_LENT)))
  kept = kept + lent
  if kept == 0 then
    return others, latest, lent
  end
  local expires = now + loan_us
  return others .. string.format(' %s %.0f %.0f', worker, kept, expires), expires, lent
end

for i, key in ipairs(KEYS) do
  local at, is_changed, capacity, quota, window, others, latest, kept, text = unpack(buckets[i])
  local loans, last, lent = own_loan(i, others, latest, kept, text)
  if is_any_allowed or is_changed or lent > 0 then
    held[i] = held[i] - lent * MICRO
    answer[3 * i + 1] = lent
    -- Gone when it would be full again and nothing is lent; a second of slack covers the rounding.
    local full_in = (at - now) / 1000 + (capacity - held[i]) / quota * window / 1000 + 1000
    local loans_in_ms = (last - now) / 1000 + 1000
    redis.call(
      'SET', key, string.format('%.0f %.0f', held[i], at) .. loans,
      'PX', string.format('%.0f', math.max(full_in, loans_in_ms))
    )
  end
end

return answer
