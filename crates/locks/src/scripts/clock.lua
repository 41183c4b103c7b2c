-- What all scripts of locks begin with: the server's clock, and how numbers are written.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
local call, read, write, sub = redis.call, struct.unpack, struct.pack, string.sub

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
