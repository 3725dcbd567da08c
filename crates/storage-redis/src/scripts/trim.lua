#!lua
-- Removes entries of a list that expired long ago. KEYS: a list, or a part of one. ARGV: what expired before this goes, and
-- how many entries at most.
-- Answers how many went.
local stale = redis.call('ZRANGE', KEYS[1], '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
if #stale == 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], unpack(stale))
