-- What the scripts of a limiter begin with: the server's clock, and how bytes are read and written.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME, PEXPIRE, PTTL
local call, pcall, read, write = redis.call, redis.pcall, struct.unpack, struct.pack
local floor, ceil, byte, sub = math.floor, math.ceil, string.byte, string.sub

-- The server's time, in microseconds.
local function clock()
    local time = call('TIME')
    return time[1] * 1000000 + time[2]
end
local now = clock()

-- A number as text: Lua's own way keeps 14 digits.
local function decimal(value)
    return string.format('%.0f', value)
end

-- Keeps a key at least until then. It never lives shorter for it, and never for ever.
local function keep(key, is_new, till)
    local lives = decimal(ceil((till - now) / 1000))
    if is_new then
        call('PEXPIRE', key, lives)
    elseif call('PEXPIRE', key, lives, 'GT') == 0 and call('PTTL', key) == -1 then
        call('PEXPIRE', key, lives)
    end
end

-- When what is given back was charged; 0 where nobody says.
local charged_at = 0

-- A cost, where what is counted was charged from this time on: what was charged earlier has ceased to count, and is not given back.
local function still_counted(cost, from)
    return cost < 0 and charged_at > 0 and charged_at < from and 0 or cost
end

-- What a cost that can never pass waits for.
local NEVER = math.huge

-- Every policy is a function that is told its settings and answers another one, which is told what Redis holds of a subject
-- (nothing at first), a cost, and whether to charge it whatever the limit. That one answers, and writes nothing:
--   wait      nothing if the cost fits, else for how long it will not, in microseconds
--   state     what Redis shall hold once the cost is charged: the kind of policy and until when the key lives come first
--   limit     the most that fits
--   before    how much was counted
--   after     how much is, once the cost is charged
--   idle      how long until nothing is counted, charged or (idle_before) not
--   charged   how much of the cost was charged: all of it, or as much as one more limit has room for
--   lives     until when the key has to live from now on, where that has changed
--   is_ahead  whether what Redis holds is ahead of now, and has to be stored again also if nothing is charged
--   effect    what else has to be done to charge it
-- A negative cost is given back. A stored time that lies ahead, because the clock was set back, is taken as now: what was counted
-- then counts from now on, so that a step of the clock costs one limit at most, and denies nobody for longer than a window.
local kinds = {}
