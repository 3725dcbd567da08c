#!lua
-- One charge. KEYS: the counter. ARGV: now, the charge's own id (16 characters), what is added, the limit, the end of a
-- window that begins now, and how long after its end the server keeps a counter.
-- Answers whether it was counted, the count, and the end of the window.
-- A counter is its count (10 digits), its end (16 digits), and the ids of the last four charges that changed it: a charge
-- that comes again after its answer was lost is not counted twice.
local now, id, add, limit = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('GET', KEYS[1]) or ''
local count, ends, seen = tonumber(string.sub(held, 1, 10)), tonumber(string.sub(held, 11, 26)), string.sub(held, 27)
if not count or not ends or ends <= now then
  count, ends, seen = 0, tonumber(ARGV[5]), ''
elseif string.find(seen, id, 1, true) then
  return {1, count, ends}
end
local after = count + add
if add >= 0 and after > limit then
  return {0, count, ends}
end
if after < 0 then
  after = 0
end
-- An unsigned number of 32 bits is as far as a counter goes.
if after > 4294967295 then
  return {0, count, ends}
end
if after ~= count then
  local value = string.format('%010.0f%016.0f', after, ends) .. id .. string.sub(seen, 1, 48)
  local last = ends + tonumber(ARGV[6])
  if last >= 9007199254740991 then
    redis.call('SET', KEYS[1], value)
  else
    redis.call('SET', KEYS[1], value, 'PXAT', string.format('%.0f', last))
  end
end
return {1, after, ends}
