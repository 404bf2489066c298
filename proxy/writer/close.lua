-- Closes a client's gate, so that what it has spent is summed anew: rows change that no operation counted.
-- KEYS: state
local state = redis.call('HMGET', KEYS[1], 'families', 'wanted')
if state[1] and state[1] ~= '' and not state[2] then
  redis.call('HSET', KEYS[1], 'wanted', state[1])
end
return 0
