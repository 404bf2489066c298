-- One notice: onto the board, and to everybody who listens.
-- KEYS: the board. ARGV: channel, notice, field, how long it holds in milliseconds (0: the field goes).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lasts = tonumber(ARGV[4])
-- What has ended is swept here: fields of a hash have no expiry that every version knows.
local fields = redis.call('HGETALL', KEYS[1])
for index = 1, #fields, 2 do
  if tonumber(fields[index + 1]) <= now then
    redis.call('HDEL', KEYS[1], fields[index])
  end
end
if lasts > 0 then
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', now + lasts))
  if redis.call('PTTL', KEYS[1]) < lasts then
    redis.call('PEXPIRE', KEYS[1], lasts)
  end
else
  redis.call('HDEL', KEYS[1], ARGV[3])
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
