-- The request path of the nginx + Lua peers. `gate.limits` is set by the configuration.
local redis = require "redis"

local gate = {}
local known, counted = ngx.shared.known, ngx.shared.counted
local REMEMBERED_SECONDS = 60
local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local function refuse(status, name, value)
  if name then ngx.header[name] = value end
  return ngx.exit(status)
end

-- The scope of the key with this digest: from memory, else from Redis. nil: there is no such key; false: no answer.
local function scope_of(digest)
  local scope = known:get(digest)
  if scope then return scope end
  local found, failure = redis.call("GET", "peer:key:" .. digest)
  if failure then return false end
  if found then known:set(digest, found, REMEMBERED_SECONDS) end
  return found
end

function gate.admit()
  local sent = ngx.var.http_authorization
  local token = sent and string.match(sent, "^Bearer (%S+)$")
  if not token then return refuse(401, "WWW-Authenticate", "Bearer") end
  -- Not the token itself: what a memory dump or a slow log of Redis shows must not be a key.
  local digest = ngx.encode_base64(ngx.sha1_bin(token))
  local scope = scope_of(digest)
  if scope == false then return refuse(503, "Retry-After", 1) end
  if not scope then return refuse(401, "WWW-Authenticate", 'Bearer error="invalid_token"') end
  if scope == "read-only" and not SAFE[ngx.req.get_method()] then return refuse(403) end
  local left, failure = gate.limits.take(digest)
  if failure then return refuse(503, "Retry-After", 1) end
  if left < 0 then return refuse(429, "Retry-After", 1) end
  ngx.header["RateLimit-Policy"] = gate.limits.policy
  ngx.header["RateLimit"] = string.format('"default";r=%d', left)
  ngx.req.clear_header("Authorization")
  ngx.req.set_header("X-Key-Id", string.sub(digest, 1, 12))
  ngx.ctx.key = digest
end

function gate.count()
  counted:incr((ngx.ctx.key or "none") .. ngx.status, 1, 0)
end

return gate
