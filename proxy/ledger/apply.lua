-- Checks one turn's calls against their limits and appends their records, densely and once: an operation is done if and
-- only if its record is new. docs/decisions/0004-limits.md has the formats and the reasons.
-- KEYS: ledger, sequences, watermarks, buckets, spent, reserved, leases, state
-- ARGV: incarnation, first seq, count, reset, families, version, lease in us, then an operation and a record for each;
--       behind the numbered ones, operations without a record (leases registered again)
local incarnation, first, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local families, version, lease_us = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local HEAD = 7
local MINUTE = 60000000
local EPOCH = 1700000000000000 -- us: times are kept relative to it, so that doubles hold parts of a microsecond
local ROUNDING = 0.001         -- us: what the doubles of a full bucket may be off
local SUPERSEDED = '\145\161\78'
local INF = math.huge

local last = tonumber(redis.call('HGET', KEYS[2], incarnation) or 0)
local watermark = tonumber(redis.call('HGET', KEYS[3], incarnation) or 0)

-- Everything is read before anything is written: an ill-formed operation changes nothing.
local operations = {}
for i = 1, (#ARGV - HEAD) / 2 do
  operations[i] = cmsgpack.unpack(ARGV[HEAD + 2 * i - 1])
  if type(operations[i]) ~= 'table' or type(operations[i][1]) ~= 'number' then error('operation ' .. i .. ' is none') end
end

-- ── The gate ────────────────────────────────────────────────────────────────────────────────────────────────────────

local state = redis.call('HMGET', KEYS[8], 'families', 'version', 'wanted', 'next', 'heard:' .. incarnation)
local counted, known_version, wanted = state[1] or '', tonumber(state[2] or 0), state[3]

local function close(text)
  wanted, known_version = text, version
  redis.call('HSET', KEYS[8], 'wanted', text, 'version', ARGV[6])
end

if not wanted then
  if counted ~= families then
    if version < known_version then return {last, watermark, 2, 1, {}} end
    close(families)
  elseif version > known_version and families ~= '' then
    redis.call('HSET', KEYS[8], 'version', ARGV[6])
  end
  -- Redis went back behind what Postgres has: what it had counted of that is lost.
  if families ~= '' and count > 0 and first > last + 1 and ARGV[4] == '1' then close(families) end
elseif version > known_version and wanted ~= families then
  close(families)
end
if wanted then
  if wanted == '' then
    -- Nothing is counted any more: there is nothing to sum.
    redis.call('DEL', KEYS[5])
    redis.call('HDEL', KEYS[8], 'wanted', 'families')
    if families ~= '' then return {last, watermark, 2, 1, {}} end
  else
    return {last, watermark, wanted == families and 1 or 2, 1, {}}
  end
end

-- ── Time, and who was heard ─────────────────────────────────────────────────────────────────────────────────────────

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2]) - EPOCH

local function amounts_of(op, shifted)
  return {1, op[3], shifted and op[6] or op[4]}
end

-- A lease: incarnation (36), 'b' where buckets were debited (else '-'), 's' where it was downshifted (else '-'), the
-- indexes of the conditioned buckets that counted, each as 'n,', a ':' and the operation.
local function read_lease(text)
  local colon = string.find(text, ':', 39, true)
  local on = {}
  for index in string.gmatch(string.sub(text, 39, colon - 1), '(%d+),') do on[tonumber(index)] = true end
  return {
    incarnation = string.sub(text, 1, 36),
    debited = string.sub(text, 37, 37) == 'b',
    shifted = string.sub(text, 38, 38) == 's',
    on = on,
    op = cmsgpack.unpack(string.sub(text, colon + 1)),
  }
end

-- Calendars and live calls: each field once, whatever number of rules share it.
local function reserve(op, amounts, sign)
  local seen = {}
  for _, check in ipairs(op[5]) do
    local kind, field = check[1], check[2]
    if (kind == 3 or (kind == 2 and check[4] >= 0)) and not seen[field] then
      seen[field] = true
      local amount = kind == 3 and 1 or amounts[check[3]]
      if amount ~= 0 then redis.call('HINCRBY', KEYS[6], field, string.format('%.0f', sign * amount)) end
    end
  end
end

local function counts(check, on, index)
  return check[5] == 0 or on[index] == true
end

-- Puts what was used in the place of what a bucket was debited at admission; `used` nil: nothing was.
local function correct(lease, used)
  local op = lease.op
  for index, check in ipairs(op[5]) do
    if check[1] == 1 and counts(check, lease.on, index) then
      local difference
      if check[3] == 1 then
        difference = (used == nil and lease.debited) and -1 or 0
      else
        difference = (used and used[check[3]] or 0) - (lease.debited and amounts_of(op, lease.shifted)[check[3]] or 0)
      end
      if difference ~= 0 then
        local full = math.max(tonumber(redis.call('HGET', KEYS[4], check[2]) or 0), now)
        redis.call('HSET', KEYS[4], check[2], string.format('%.17g', full + difference * MINUTE / check[4]))
      end
    end
  end
end

local function take_lease(id)
  local text = redis.call('HGET', KEYS[7], id)
  if not text then return nil end
  redis.call('HDEL', KEYS[7], id)
  local lease = read_lease(text)
  reserve(lease.op, amounts_of(lease.op, lease.shifted), -1)
  return lease
end

local function expire()
  local heard = redis.call('HGETALL', KEYS[8])
  local soonest, dead = INF, {}
  for i = 1, #heard, 2 do
    local who = string.match(heard[i], '^heard:(.+)$')
    if who and who ~= incarnation then
      local until_us = tonumber(heard[i + 1]) + lease_us
      if until_us < now then
        dead[who] = true
        redis.call('HDEL', KEYS[8], heard[i])
      elseif until_us < soonest then
        soonest = until_us
      end
    end
  end
  if next(dead) then
    local leases = redis.call('HGETALL', KEYS[7])
    for i = 1, #leases, 2 do
      if dead[string.sub(leases[i + 1], 1, 36)] then take_lease(leases[i]) end
    end
  end
  redis.call('HSET', KEYS[8], 'next', string.format('%.0f', math.min(soonest, now + lease_us)))
end

local heard_at = tonumber(state[5] or '')
local known = heard_at and 1 or 0
if heard_at and heard_at + lease_us < now then
  -- It was silent for a lease, and nobody noticed: its leases go by the same rule as anybody's.
  known = 0
  local leases = redis.call('HGETALL', KEYS[7])
  for i = 1, #leases, 2 do
    if string.sub(leases[i + 1], 1, 36) == incarnation then take_lease(leases[i]) end
  end
end
if not heard_at or now - heard_at > lease_us / 16 then
  redis.call('HSET', KEYS[8], 'heard:' .. incarnation, string.format('%.0f', now))
end
if now >= tonumber(state[4] or 0) then expire() end

-- ── Admission ───────────────────────────────────────────────────────────────────────────────────────────────────────

-- What the counters of an operation's checks say: for each {full, spent, reserved}.
local function read(checks)
  local names = {{}, {}, {}}
  for _, check in ipairs(checks) do
    if check[1] == 1 then
      table.insert(names[1], check[2])
    else
      table.insert(names[3], check[2])
      if check[1] == 2 then table.insert(names[2], check[2]) end
    end
  end
  local values = {}
  for i, key in ipairs({KEYS[4], KEYS[5], KEYS[6]}) do
    local found = {}
    if #names[i] > 0 then
      local answer = redis.call('HMGET', key, unpack(names[i]))
      for j, name in ipairs(names[i]) do found[name] = tonumber(answer[j] or 0) end
    end
    values[i] = found
  end
  return values[1], values[2], values[3]
end

-- Judges all checks for some amounts. Answers whether a downshift is asked for, the index of the check that denies (0:
-- none), its wait, and which conditioned buckets count.
local function judge(checks, amounts, full, spent, reserved, shifted)
  local exceeded, on = {}, {}
  local failed, wait, rank = 0, 0, -1
  local wants_shift = false
  local function deny(index, how_long, how_bad)
    -- The one that lasts longest tells: never (4), a calendar (3), a bucket (2, by its wait), live calls (1).
    if how_bad > rank or (how_bad == rank and how_long > wait) then failed, wait, rank = index, how_long, how_bad end
  end
  for index, check in ipairs(checks) do
    if check[1] == 2 and check[4] >= 0 then
      local amount = amounts[check[3]]
      if (spent[check[2]] + reserved[check[2]] + amount) > check[4] then
        exceeded[index] = true
        if check[5] == 2 and not shifted then wants_shift = true end
        if check[5] == 0 then
          if amount > check[4] then deny(index, -1, 4) else deny(index, 0, 3) end
        end
      end
    end
  end
  for index, check in ipairs(checks) do
    if check[1] == 1 and (check[5] == 0 or exceeded[check[5]]) then
      if check[5] ~= 0 then on[index] = true end
      local amount = amounts[check[3]]
      local excess = math.max(full[check[2]], now) + amount * MINUTE / check[4] - now - MINUTE
      if amount > check[4] then
        deny(index, -1, 4)
      elseif excess > ROUNDING then
        deny(index, math.ceil(excess), 2)
      end
    elseif check[1] == 3 and reserved[check[2]] + 1 > check[3] then
      deny(index, 1000000, 1)
    end
  end
  return wants_shift, failed, wait, on, exceeded
end

local function remaining(checks, full, spent, reserved, amounts, on, admitted)
  local left = {}
  for index, check in ipairs(checks) do
    local rest
    if check[1] == 1 then
      local at = math.max(full[check[2]], now)
      if admitted and counts(check, on, index) then at = at + amounts[check[3]] * MINUTE / check[4] end
      rest = (MINUTE - (at - now)) * check[4] / MINUTE + ROUNDING
    elseif check[1] == 2 then
      rest = check[4] - spent[check[2]] - reserved[check[2]] - (admitted and amounts[check[3]] or 0)
      if check[4] < 0 then rest = 0 end
    else
      rest = check[3] - reserved[check[2]] - (admitted and 1 or 0)
    end
    left[index] = math.max(0, math.floor(rest))
  end
  return left
end

local function write_lease(op, argument, debited, shifted, on)
  local indexes = {}
  for index in pairs(on) do table.insert(indexes, index .. ',') end
  redis.call('HSET', KEYS[7], op[2],
    incarnation .. (debited and 'b' or '-') .. (shifted and 's' or '-') .. table.concat(indexes) .. ':' .. argument)
  reserve(op, amounts_of(op, shifted), 1)
end

local function verdict(kind, index, wait, used, held, left)
  local answer = {kind, index, wait, used, held}
  for i, rest in ipairs(left) do answer[5 + i] = rest end
  return answer
end

local function admit(op, argument)
  local checks = op[5]
  if #checks == 0 then return {1, 0, 0, 0, 0}, true end
  local full, spent, reserved = read(checks)
  local amounts = amounts_of(op, false)
  local wants_shift, failed, wait, on, exceeded = judge(checks, amounts, full, spent, reserved, false)
  local shifted = false
  if wants_shift and op[6] then
    shifted, amounts = true, amounts_of(op, true)
    wants_shift, failed, wait, on = judge(checks, amounts, full, spent, reserved, true)
  elseif wants_shift and failed == 0 then
    for index, check in ipairs(checks) do
      if failed == 0 and exceeded[index] and check[5] == 2 then
        failed, wait = index, amounts[check[3]] > check[4] and -1 or 0
      end
    end
  end
  if failed ~= 0 then
    local check = checks[failed]
    local used, held = 0, 0
    if check[1] == 1 then
      used = math.ceil((math.max(full[check[2]], now) - now) * check[4] / MINUTE - ROUNDING)
    else
      used, held = check[1] == 2 and spent[check[2]] or 0, reserved[check[2]]
    end
    return verdict(0, failed, wait, used, held, remaining(checks, full, spent, reserved, amounts, on, false)), false
  end
  local writes = {}
  for index, check in ipairs(checks) do
    if check[1] == 1 and counts(check, on, index) then
      local at = math.max(full[check[2]], now) + amounts[check[3]] * MINUTE / check[4]
      table.insert(writes, check[2])
      table.insert(writes, string.format('%.17g', at))
    end
  end
  if #writes > 0 then redis.call('HSET', KEYS[4], unpack(writes)) end
  write_lease(op, argument, true, shifted, on)
  local left = remaining(checks, full, spent, reserved, amounts, on, true)
  return verdict(shifted and 2 or 1, 0, 0, 0, 0, left), true
end

local function hold(op, argument)
  if #op[5] > 0 and redis.call('HEXISTS', KEYS[7], op[2]) == 0 then write_lease(op, argument, false, false, {}) end
end

local function settle(op)
  local lease = take_lease(op[2])
  local used = {1, op[3], op[4]}
  if lease then correct(lease, used) end
  for _, counter in ipairs(op[5]) do
    local amount = used[counter[2]]
    if amount ~= 0 then redis.call('HINCRBY', KEYS[5], counter[1], string.format('%.0f', amount)) end
  end
end

local function void(op)
  local lease = take_lease(op[2])
  if lease then correct(lease, nil) end
end

-- ── The batch ───────────────────────────────────────────────────────────────────────────────────────────────────────

local verdicts = {}
local final = first + count - 1
if count > 0 and final > last and (first <= last + 1 or ARGV[4] == '1') then
  local from = math.max(first, last + 1)
  local records = {}
  for seq = from, final do
    local i = seq - first + 1
    local op, argument, record = operations[i], ARGV[HEAD + 2 * i - 1], ARGV[HEAD + 2 * i]
    local kind = op[1]
    if kind == 1 then
      local answer, admitted = admit(op, argument)
      table.insert(verdicts, answer)
      if not admitted then record = SUPERSEDED end
    elseif kind == 2 then
      hold(op, argument)
    elseif kind == 3 then
      settle(op)
    elseif kind == 4 then
      void(op)
    end
    table.insert(records, record)
  end
  local size = #records
  local head
  if size < 16 then
    head = string.char(0x90 + size)
  else
    head = string.char(0xdc, math.floor(size / 256), size % 256)
  end
  redis.call('XADD', KEYS[1], '*', 'i', incarnation, 's', from, 'n', size, 'b', head .. table.concat(records))
  redis.call('HSET', KEYS[2], incarnation, final)
  last = final
end
for i = count + 1, #operations do
  if operations[i][1] == 2 then hold(operations[i], ARGV[HEAD + 2 * i - 1]) end
end
return {last, watermark, 0, known, verdicts}
