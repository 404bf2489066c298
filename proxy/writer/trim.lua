-- Publishes watermarks and removes what they cover. Where the last entry that was read is not there any more as it was,
-- Redis has forgotten, or another writer was quicker: then nothing is removed.
-- KEYS: stream, watermarks
-- ARGV: last id, the id after it, the last entry's incarnation and first seq, then incarnation and seq of each watermark
for i = 5, #ARGV, 2 do
  local known = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or 0)
  if tonumber(ARGV[i + 1]) > known then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
local there = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #there == 0 then
  return 0
end
local incarnation, seq = '', ''
local fields = there[1][2]
for i = 1, #fields, 2 do
  if fields[i] == 'i' then incarnation = fields[i + 1] end
  if fields[i] == 's' then seq = fields[i + 1] end
end
if incarnation ~= ARGV[3] or seq ~= ARGV[4] then
  return 0
end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[2])
