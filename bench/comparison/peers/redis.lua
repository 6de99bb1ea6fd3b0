-- One command at a time on pooled connections, as much of the protocol as these peers need. Debian packages no client.
local redis = {}
local POOL_SIZE, IDLE_MS, DEADLINE_MS = 256, 60000, 1000

local function send(socket, words)
  local parts = { "*" .. #words .. "\r\n" }
  for place, word in ipairs(words) do
    local text = tostring(word)
    parts[place + 1] = "$" .. #text .. "\r\n" .. text .. "\r\n"
  end
  return socket:send(parts)
end

local function receive(socket)
  local line, failure = socket:receive()
  if not line then return nil, failure end
  local kind, rest = string.sub(line, 1, 1), string.sub(line, 2)
  if kind == ":" then return tonumber(rest) end
  if kind == "+" then return rest end
  if kind == "-" then return nil, rest end
  local length = tonumber(rest)
  if length < 0 then return nil end
  local bulk
  bulk, failure = socket:receive(length + 2)
  return bulk and string.sub(bulk, 1, length), failure
end

-- An integer, a text, or nil where Redis has nothing; and why there is no answer, if there is none.
function redis.call(...)
  local socket = ngx.socket.tcp()
  socket:settimeouts(DEADLINE_MS, DEADLINE_MS, DEADLINE_MS)
  local is_open, failure = socket:connect(redis.socket, { pool_size = POOL_SIZE })
  if not is_open then return nil, failure end
  local is_sent
  is_sent, failure = send(socket, { ... })
  if not is_sent then return nil, failure end
  local answer
  answer, failure = receive(socket)
  socket:setkeepalive(IDLE_MS, POOL_SIZE)
  return answer, failure
end

return redis
