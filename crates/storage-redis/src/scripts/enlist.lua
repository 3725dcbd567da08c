#!lua
-- Entries of one list. KEYS: a list, or a part of one. ARGV: how many entries it may have before it is split (0: it is a part),
-- how long after its end the server keeps a record, how much longer than its entries the sign of a split stays, and for each
-- entry its expiry and the record's key.
-- Answers 0 when all were entered, or the time until which the list counts as split: then none was entered, and they go
-- into the parts.
-- A list is a set ordered by expiry. An expiry only ever rises here: who reads on from an entry misses none that moved.
local list, most, margin = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local never, latest, fresh = 9007199254740991, 0, 0
for i = 4, #ARGV, 2 do
  latest = math.max(latest, tonumber(ARGV[i]))
  if most > 0 and not redis.call('ZSCORE', list, ARGV[i + 1]) then
    fresh = fresh + 1
  end
end
-- Rubbish goes when the server has dropped the records, never because a record is missing: its commit may be on the way.
local time = redis.call('TIME')
local dropped = time[1] * 1000 - margin
local stale = redis.call('ZRANGE', list, '-inf', string.format('(%.0f', dropped), 'BYSCORE', 'LIMIT', 0, 32)
if #stale > 0 then
  redis.call('ZREM', list, unpack(stale))
end
local split = 0
if most > 0 and fresh > 0 and redis.call('ZCARD', list) + fresh > most then
  split = math.min(latest + tonumber(ARGV[3]), never)
  redis.call('ZADD', list, 'GT', string.format('%.0f', split), 'split')
  split = tonumber(redis.call('ZSCORE', list, 'split'))
else
  for i = 4, #ARGV, 2 do
    redis.call('ZADD', list, 'GT', ARGV[i], ARGV[i + 1])
  end
end
local last = tonumber(redis.call('ZRANGE', list, 0, 0, 'REV', 'WITHSCORES')[2]) + margin
if last >= never then
  redis.call('PERSIST', list)
else
  redis.call('PEXPIREAT', list, string.format('%.0f', last))
end
return split
