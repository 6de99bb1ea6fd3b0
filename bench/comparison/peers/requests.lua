-- What wrk asks, of every proxy alike:  wrk … -s requests.lua URL -- KEYS PATH random|in-turn fixed|fresh
--
-- A GET with twelve header fields. KEYS is a file with a key on each line, of which each request has one: by chance,
-- or one after the other, so that none is used twice as long as they last. `fresh`: each request has a path and an
-- X-Request-Id of its own, so that it is not byte for byte what has just been parsed. All that does not change is put
-- together beforehand: what the load costs is not to be had by the upstream, with which it shares a processor.

local FIELDS = {
  "User-Agent: api-client/2.32 (Linux; x86_64)",
  "Accept: application/json, text/plain, */*",
  "Accept-Encoding: gzip, deflate, br",
  "Accept-Language: en-GB,en;q=0.9,fr;q=0.7",
  "Content-Type: application/json",
  "Cache-Control: no-cache",
  "Origin: https://console.example.com",
  "Referer: https://console.example.com/zones",
  "X-Client-Version: 7.4.1",
}
local FIXED_ID = "8c1f0e9a4b7d43c6a51b90d2e6f37a18"

local heads, tails = {}, {}
local is_in_turn, is_fresh
local number = 0

function init(arguments)
  local file, path, order, sameness = unpack(arguments)
  is_in_turn, is_fresh = order == "in-turn", sameness == "fresh"
  math.randomseed(20261)
  local fields = string.format("Host: %s:%s\r\n%s", wrk.host, wrk.port, table.concat(FIELDS, "\r\n"))
  for key in io.lines(file) do
    local rest = string.format(" HTTP/1.1\r\n%s\r\nAuthorization: Bearer %s\r\nX-Request-Id: ", fields, key)
    heads[#heads + 1] = "GET " .. path .. "/"
    tails[#tails + 1] = rest
    if not is_fresh then
      heads[#heads] = "GET " .. path .. "/items" .. rest .. FIXED_ID .. "\r\n\r\n"
    end
  end
end

function request()
  number = number + 1
  local place = 1
  if is_in_turn then
    place = (number - 1) % #heads + 1
  elseif #heads > 1 then
    place = math.random(#heads)
  end
  if not is_fresh then return heads[place] end
  return string.format("%sitems/%d%s%032x\r\n\r\n", heads[place], number, tails[place], number)
end

-- One line that a machine reads; times are microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
