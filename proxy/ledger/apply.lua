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
local MOST = 1000               -- arguments of one command: Lua's stack is no larger than some thousands
local max, floor, ceil = math.max, math.floor, math.ceil

local last = tonumber(redis.call('HGET', KEYS[2], incarnation) or 0)
local watermark = tonumber(redis.call('HGET', KEYS[3], incarnation) or 0)

-- Everything is read before anything is written: an ill-formed operation changes nothing.
local operations = {}
local size = (#ARGV - HEAD) / 2
for i = 1, size do
  local op = cmsgpack.unpack(ARGV[HEAD + 2 * i - 1])
  if type(op) ~= 'table' or type(op[1]) ~= 'number' then error('operation ' .. i .. ' is none') end
  operations[i] = op
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

-- A lease: incarnation (36), 'b' where buckets were debited (else '-'), 's' where it was downshifted (else '-'), the
-- indexes of the conditioned buckets that counted, each as 'n,', a ':' and the operation.
local function read_lease(text)
  local on
  local colon = 39
  if string.byte(text, 39) ~= 58 then
    colon = string.find(text, ':', 39, true)
    on = {}
    for index in string.gmatch(string.sub(text, 39, colon - 1), '(%d+),') do on[tonumber(index)] = true end
  end
  local op = cmsgpack.unpack(string.sub(text, colon + 1))
  return {
    debited = string.byte(text, 37) == 98,
    on = on,
    checks = op[5],
    amounts = {1, op[3], string.byte(text, 38) == 115 and op[6] or op[4]},
  }
end

-- What is read once and written once, however many operations of the batch touch it.
local full, full_changed = {}, {}      -- buckets: when they are full again
local spent, spent_more = {}, {}       -- amounts as they are, and what the batch adds
local reserved, reserved_more = {}, {}
local leases, leases_new, leases_gone = {}, {}, {}

local function add(amounts, changes, field, amount)
  amounts[field] = (amounts[field] or 0) + amount
  changes[field] = (changes[field] or 0) + amount
end

-- Calendars and live calls: each field once, whatever number of rules share it.
local function reserve(checks, amounts, sign)
  local seen
  for index = 1, #checks do
    local check = checks[index]
    local kind, field = check[1], check[2]
    if kind == 3 or (kind == 2 and check[4] >= 0) then
      seen = seen or {}
      if not seen[field] then
        seen[field] = true
        add(reserved, reserved_more, field, sign * (kind == 3 and 1 or amounts[check[3]]))
      end
    end
  end
end

local function counts(check, on, index)
  return check[5] == 0 or (on and on[index]) or false
end

local function move(field, limit, amount)
  full[field] = max(full[field] or 0, now) + amount * MINUTE / limit
  full_changed[field] = true
end

-- Gives a lease back and puts what was used in the place of what its buckets were debited; `used` nil: nothing was.
local function give_back(lease, used)
  local checks, amounts = lease.checks, lease.amounts
  reserve(checks, amounts, -1)
  for index = 1, #checks do
    local check = checks[index]
    if check[1] == 1 and counts(check, lease.on, index) then
      local unit = check[3]
      local difference
      if unit == 1 then
        difference = (not used and lease.debited) and -1 or 0
      else
        difference = (used and used[unit] or 0) - (lease.debited and amounts[unit] or 0)
      end
      if difference ~= 0 then move(check[2], check[4], difference) end
    end
  end
end

-- What the dead held: calendars and live calls; what their buckets were debited stays.
local function bury(dead)
  local found = redis.call('HGETALL', KEYS[7])
  for i = 1, #found, 2 do
    if dead[string.sub(found[i + 1], 1, 36)] then
      local lease = read_lease(found[i + 1])
      reserve(lease.checks, lease.amounts, -1)
      redis.call('HDEL', KEYS[7], found[i])
    end
  end
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
  if next(dead) then bury(dead) end
  redis.call('HSET', KEYS[8], 'next', string.format('%.0f', math.min(soonest, now + lease_us)))
end

local heard_at = tonumber(state[5] or '')
local known = heard_at and 1 or 0
if heard_at and heard_at + lease_us < now then
  -- It was silent for a lease, and nobody noticed: its leases go by the same rule as anybody's.
  known = 0
  bury({[incarnation] = true})
end
if not heard_at or now - heard_at > lease_us / 16 then
  redis.call('HSET', KEYS[8], 'heard:' .. incarnation, string.format('%.0f', now))
end
if now >= tonumber(state[4] or 0) then expire() end

-- ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

local taken = count > 0 and first + count - 1 > last and (first <= last + 1 or ARGV[4] == '1')
local from = taken and max(first, last + 1) - first + 1 or count + 1  -- of the operations

-- Brings the fields of a hash (names, each once) into a table.
local function fetch(key, names, into, read)
  for start = 1, #names, MOST do
    local stop = math.min(start + MOST - 1, #names)
    local values = redis.call('HMGET', key, unpack(names, start, stop))
    for i = start, stop do
      local value = values[i - start + 1]
      if value then into[names[i]] = read(value) end
    end
  end
end

local wanted_leases, wanted_full, wanted_spent, wanted_reserved = {}, {}, {}, {}
local asked = {}

local function want(names, field)
  if not asked[field] then
    asked[field] = true
    names[#names + 1] = field
  end
end

for i = from, size do
  local kind = operations[i][1]
  if kind == 3 or kind == 4 or kind == 2 then want(wanted_leases, operations[i][2]) end
end
fetch(KEYS[7], wanted_leases, leases, read_lease)
for _, lease in pairs(leases) do
  for _, check in ipairs(lease.checks) do
    if check[1] == 1 then want(wanted_full, check[2]) end
  end
end
for i = from, size do
  if operations[i][1] == 1 then
    for _, check in ipairs(operations[i][5]) do
      local kind, field = check[1], check[2]
      if kind == 1 then
        want(wanted_full, field)
      elseif not asked[field] then
        asked[field] = true
        wanted_reserved[#wanted_reserved + 1] = field
        if kind == 2 then wanted_spent[#wanted_spent + 1] = field end
      end
    end
  end
end
-- What the dead gave back above is not in the hash yet: it is added to what is read.
local given_back = reserved
reserved = {}
fetch(KEYS[4], wanted_full, full, tonumber)
fetch(KEYS[5], wanted_spent, spent, tonumber)
fetch(KEYS[6], wanted_reserved, reserved, tonumber)
for field, amount in pairs(given_back) do reserved[field] = (reserved[field] or 0) + amount end

-- ── Admission ───────────────────────────────────────────────────────────────────────────────────────────────────────

-- Judges all checks for some amounts. Answers whether a downshift is asked for, the index of the check that denies (0:
-- none), its wait, which conditioned buckets count, and which calendars are exceeded. The check that lasts longest
-- denies: never (rank 4), a calendar (3), a bucket (2, by its wait), live calls (1).
local function judge(checks, amounts, shifted)
  local exceeded, on
  local failed, wait, rank = 0, 0, 0
  local wants_shift = false
  for index = 1, #checks do
    local check = checks[index]
    if check[1] == 2 and check[4] >= 0 then
      local field, amount = check[2], amounts[check[3]]
      if (spent[field] or 0) + (reserved[field] or 0) + amount > check[4] then
        exceeded = exceeded or {}
        exceeded[index] = true
        if check[5] == 2 and not shifted then wants_shift = true end
        if check[5] == 0 then
          if amount > check[4] then
            if rank < 4 then failed, wait, rank = index, -1, 4 end
          elseif rank < 3 then
            failed, wait, rank = index, 0, 3
          end
        end
      end
    end
  end
  for index = 1, #checks do
    local check = checks[index]
    local kind = check[1]
    if kind == 1 and (check[5] == 0 or (exceeded and exceeded[check[5]])) then
      if check[5] ~= 0 then
        on = on or {}
        on[index] = true
      end
      local amount, limit = amounts[check[3]], check[4]
      local excess = max(full[check[2]] or 0, now) + amount * MINUTE / limit - now - MINUTE
      if amount > limit then
        if rank < 4 then failed, wait, rank = index, -1, 4 end
      elseif excess > ROUNDING and (rank < 2 or (rank == 2 and ceil(excess) > wait)) then
        failed, wait, rank = index, ceil(excess), 2
      end
    elseif kind == 3 and rank < 1 and (reserved[check[2]] or 0) + 1 > check[3] then
      failed, wait, rank = index, 1000000, 1
    end
  end
  return wants_shift, failed, wait, on, exceeded
end

-- What is left of each check, behind the first five figures of a verdict.
local function tell(verdict, checks)
  for index = 1, #checks do
    local check = checks[index]
    local kind, field = check[1], check[2]
    local rest
    if kind == 1 then
      rest = (MINUTE - (max(full[field] or 0, now) - now)) * check[4] / MINUTE + ROUNDING
    elseif kind == 3 then
      rest = check[3] - (reserved[field] or 0)
    else
      rest = check[4] - (spent[field] or 0) - (reserved[field] or 0)
    end
    verdict[5 + index] = rest > 0 and floor(rest) or 0
  end
  return verdict
end

local function write_lease(id, lease, argument, mark)
  local indexes = ''
  if lease.on then
    for index in pairs(lease.on) do indexes = indexes .. index .. ',' end
  end
  leases[id], leases_gone[id] = lease, nil
  leases_new[id] = incarnation .. mark .. indexes .. ':' .. argument
  reserve(lease.checks, lease.amounts, 1)
end

local function admit(op, argument)
  local checks = op[5]
  if #checks == 0 then return {1, 0, 0, 0, 0} end
  local amounts = {1, op[3], op[4]}
  local wants_shift, failed, wait, on, exceeded = judge(checks, amounts, false)
  local shifted = false
  if wants_shift and op[6] then
    shifted, amounts = true, {1, op[3], op[6]}
    wants_shift, failed, wait, on = judge(checks, amounts, true)
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
      used = ceil((max(full[check[2]] or 0, now) - now) * check[4] / MINUTE - ROUNDING)
    else
      used, held = check[1] == 2 and spent[check[2]] or 0, reserved[check[2]] or 0
    end
    return tell({0, failed, wait, used, held}, checks)
  end
  for index = 1, #checks do
    local check = checks[index]
    if check[1] == 1 and counts(check, on, index) then move(check[2], check[4], amounts[check[3]]) end
  end
  local lease = {debited = true, on = on, checks = checks, amounts = amounts}
  write_lease(op[2], lease, argument, shifted and 'bs' or 'b-')
  return tell({shifted and 2 or 1, 0, 0, 0, 0}, checks)
end

local function hold(op, argument)
  if #op[5] > 0 and not leases[op[2]] then
    write_lease(op[2], {debited = false, checks = op[5], amounts = {1, op[3], op[4]}}, argument, '--')
  end
end

-- Whose an object is (no limit knows it): what is there stays, for an owner never changes. What is gone is marked, not
-- removed, or it would be taken for living from Postgres, which hears of it later.
local OBJECTS = string.sub(KEYS[1], 1, -7) .. 'object:' -- in place of 'ledger': the same hash tag

local function own(op)
  redis.call('SET', OBJECTS .. op[2], op[3], 'EX', op[4], 'NX')
end

local function disown(op)
  local value = redis.call('GET', OBJECTS .. op[2]) or ''
  if string.byte(value) ~= 45 then value = '-' .. value end
  redis.call('SET', OBJECTS .. op[2], value, 'EX', op[3])
end

local function take(id, used)
  local lease = leases[id]
  if lease then
    leases[id], leases_new[id], leases_gone[id] = nil, nil, true
    give_back(lease, used)
  end
end

local function settle(op)
  local used, counters = {1, op[3], op[4]}, op[5]
  take(op[2], used)
  for i = 1, #counters do add(spent, spent_more, counters[i][1], used[counters[i][2]]) end
end

-- ── The batch ───────────────────────────────────────────────────────────────────────────────────────────────────────

local verdicts, records = {}, {}
for i = from, size do
  local op, argument, record = operations[i], ARGV[HEAD + 2 * i - 1], ARGV[HEAD + 2 * i]
  local kind = op[1]
  if kind == 1 then
    local verdict = admit(op, argument)
    verdicts[#verdicts + 1] = verdict
    if verdict[1] == 0 then record = SUPERSEDED end
  elseif kind == 2 then
    hold(op, argument)
  elseif kind == 3 then
    settle(op)
  elseif kind == 4 then
    take(op[2], nil)
  elseif kind == 6 then
    own(op)
  elseif kind == 7 then
    disown(op)
  end
  if i <= count then records[#records + 1] = record end
end

-- ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Field, value, field, value ... in as few commands as Lua's stack allows.
local function store(key, pairs_of)
  for start = 1, #pairs_of, MOST do
    redis.call('HSET', key, unpack(pairs_of, start, math.min(start + MOST - 1, #pairs_of)))
  end
end

local function increase(key, changes)
  for field, amount in pairs(changes) do
    if amount ~= 0 then redis.call('HINCRBY', key, field, string.format('%.0f', amount)) end
  end
end

local changed = {}
for field in pairs(full_changed) do
  changed[#changed + 1] = field
  changed[#changed + 1] = string.format('%.17g', full[field])
end
store(KEYS[4], changed)
increase(KEYS[5], spent_more)
increase(KEYS[6], reserved_more)
for id in pairs(leases_gone) do redis.call('HDEL', KEYS[7], id) end
local fresh = {}
for id, text in pairs(leases_new) do
  fresh[#fresh + 1] = id
  fresh[#fresh + 1] = text
end
store(KEYS[7], fresh)

if taken then
  local head = #records < 16 and string.char(0x90 + #records)
    or string.char(0xdc, floor(#records / 256), #records % 256)
  redis.call('XADD', KEYS[1], '*', 'i', incarnation, 's', first + from - 1, 'n', #records, 'b', head .. table.concat(records))
  last = first + count - 1
  redis.call('HSET', KEYS[2], incarnation, last)
end
return {last, watermark, 0, known, verdicts}
