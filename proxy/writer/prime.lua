-- Opens a client's gate: what is spent is what Postgres has, and nothing is in between. Done only where the stream is empty
-- and the gate still asks for what was summed (docs/decisions/0004-limits.md). Answers 1 where it is open now.
-- KEYS: ledger, sequences, watermarks, spent, state
-- ARGV: wanted, version, how many incarnations, incarnation and watermark of each, then field and amount of what is spent
local state = redis.call('HMGET', KEYS[5], 'wanted', 'version')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] or redis.call('XLEN', KEYS[1]) > 0 then
  return 0
end
local incarnations = tonumber(ARGV[3])
for i = 4, 2 + 2 * incarnations + 1, 2 do
  for _, key in ipairs({KEYS[2], KEYS[3]}) do
    if tonumber(redis.call('HGET', key, ARGV[i]) or 0) < tonumber(ARGV[i + 1]) then
      redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    end
  end
end
redis.call('DEL', KEYS[4])
for i = 4 + 2 * incarnations, #ARGV, 2 do
  redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[5], 'families', ARGV[1])
redis.call('HDEL', KEYS[5], 'wanted')
return 1
