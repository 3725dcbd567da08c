#!lua flags=no-writes
-- A page of a list. KEYS: a list, or a part of one. ARGV: now, how many entries, and the expiry and key of the entry after which
-- to go on, or two empty strings.
-- Answers whether the list is split, and the entries, each followed by its expiry.
local function beyond(a, b)
  -- Byte by byte: Lua itself compares by the server's language.
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end
local list = KEYS[1]
-- What has expired stands first.
local first = redis.call('ZCOUNT', list, '-inf', ARGV[1])
if ARGV[3] ~= '' then
  -- Among the entries of that expiry, which stand in the order of their bytes.
  local low = redis.call('ZCOUNT', list, '-inf', '(' .. ARGV[3])
  local high = redis.call('ZCOUNT', list, '-inf', ARGV[3])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if beyond(redis.call('ZRANGE', list, middle, middle)[1], ARGV[4]) then
      high = middle
    else
      low = middle + 1
    end
  end
  first = math.max(first, low)
end
local page = redis.call('ZRANGE', list, first, first + tonumber(ARGV[2]) - 1, 'WITHSCORES')
return {redis.call('ZSCORE', list, 'split') and 1 or 0, page}
