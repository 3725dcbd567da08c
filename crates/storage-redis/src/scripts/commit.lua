#!lua
-- One batch. KEYS: its records. ARGV: the batch's id, its now, and for each record what is expected (* any, - absent,
-- + present, or a version), what is done (c check, d delete, or the time at which the server may drop what is put, 0 for
-- never), and the value that is put.
-- Answers 0 when all of it is written, or the place of the first record that is not as expected.
local id, now, conflict = ARGV[1], tonumber(ARGV[2]), 0
local sets, deletes = false, false
-- Everything is looked at before anything is written: what a failing script has written stays.
for i = 1, #KEYS do
  local expect, change = ARGV[3 * i], ARGV[3 * i + 1]
  local puts = change ~= 'c' and change ~= 'd'
  sets, deletes = sets or puts, deletes or change == 'd'
  if puts or expect ~= '*' then
    local head = redis.call('GETRANGE', KEYS[i], 0, 31)
    local version, expires = string.sub(head, 1, 16), tonumber(string.sub(head, 17))
    if head ~= '' and (#head ~= 32 or not expires) then
      return redis.error_reply('CORRUPT ' .. i)
    end
    if puts and version == id then
      -- Written before. Written again as it is, so that a WAIT after this script has something to wait for.
      if change == '0' then
        redis.call('SET', KEYS[i], ARGV[3 * i + 2])
      else
        redis.call('SET', KEYS[i], ARGV[3 * i + 2], 'PXAT', change)
      end
      return 0
    end
    if conflict == 0 then
      local live, holds = expires and expires > now, true
      if expect == '-' then
        holds = not live
      elseif expect == '+' then
        holds = live
      elseif expect ~= '*' then
        holds = live and version == expect
      end
      if not holds then
        conflict = i
      end
    end
  end
end
if conflict > 0 then
  return conflict
end
-- A user who may do the one and not the other would leave half of it.
if sets and deletes and not (redis.acl_check_cmd('SET', KEYS[1], '') and redis.acl_check_cmd('DEL', KEYS[1])) then
  return redis.error_reply('NOPERM SET or DEL')
end
for i = 1, #KEYS do
  local change = ARGV[3 * i + 1]
  if change == 'd' then
    redis.call('DEL', KEYS[i])
  elseif change == '0' then
    redis.call('SET', KEYS[i], ARGV[3 * i + 2])
  elseif change ~= 'c' then
    redis.call('SET', KEYS[i], ARGV[3 * i + 2], 'PXAT', change)
  end
end
return 0
