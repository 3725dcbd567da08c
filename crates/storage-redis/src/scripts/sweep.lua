#!lua
-- Removes what expired long ago. KEYS: a record or a counter. ARGV: what expired before this goes, and where the expiry stands.
-- Answers how many went.
local expires = tonumber(redis.call('GETRANGE', KEYS[1], ARGV[2], ARGV[2] + 15))
if expires and expires < tonumber(ARGV[1]) then
  return redis.call('DEL', KEYS[1])
end
return 0
