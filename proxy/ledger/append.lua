-- Appends one batch of an incarnation's records to a client's stream, densely: what is there already is left out by
-- whoever reads, what would leave a gap is not taken. Answers {last seq in the stream, watermark}; a `last` below what
-- the proxy had seen tells it that Redis lost its memory.
-- KEYS: stream, sequences, watermarks
-- ARGV: incarnation, first seq, count (0: only ask), reset (1: Redis forgot; everything below is in Postgres), records
local last = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
local watermark = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or 0)
local first, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local final = first + count - 1
if count > 0 and final > last and (first <= last + 1 or ARGV[4] == '1') then
  redis.call('XADD', KEYS[1], '*', 'i', ARGV[1], 's', first, 'n', count, 'b', ARGV[5])
  redis.call('HSET', KEYS[2], ARGV[1], final)
  last = final
end
return {last, watermark}
