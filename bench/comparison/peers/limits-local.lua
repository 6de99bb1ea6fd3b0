-- A count for each key and window, in this process's own memory.
local limits = { policy = '"default";q=1000000000;w=60' }
local taken = ngx.shared.taken
local QUOTA, WINDOW_SECONDS = 1e9, 60

-- What is left of this window; below zero: nothing was.
function limits.take(digest)
  local count, failure = taken:incr(digest, 1, 0, WINDOW_SECONDS)
  if not count then return nil, failure end
  return QUOTA - count
end

return limits
