#!lua flags=no-writes
-- ARGV: commands. Answers those that the user may not use on a key of ours, with a space between them.
local lacking, key = {}, 'cs:schema'
for i = 1, #ARGV do
  -- All have their keys in front, but for what names a script and the number of its keys there.
  local second = ARGV[i] == 'EVALSHA' and '0' or key
  if not redis.acl_check_cmd(ARGV[i], key, second, key, key) then
    lacking[#lacking + 1] = ARGV[i]
  end
end
return table.concat(lacking, ' ')
