-- What all scripts of sessions begin with: the server's clock, what a session's first field holds, and whether one is valid.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(families), at most 1,000
-- COMMANDS: TIME, ZSCORE, ZRANGE, ZREM, HGET, HSET, ZADD, PEXPIREAT
local call, read, write, sub = redis.call, struct.unpack, struct.pack, string.sub

-- The server's time, in milliseconds.
local function clock()
    local time = call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()

-- A number as text: Lua's own way keeps 14 digits.
local function decimal(value)
    return string.format('%.0f', value)
end

-- The field without a name is '<BBddddc16' and what describes the session: 1, what it is, when it was created and last seen, until when it can be
-- extended, how often it was written, and its internal number. Where a session has another token since, it is '<BB' and the other's digest.
local LIVES, MOVED = 1, 2

local function header(raw)
    local head = {}
    local version, kind
    version, kind, head.created, head.seen, head.most, head.writes = read('<BBdddd', raw)
    head.rest = sub(raw, 35)
    return head
end

local function headed(head)
    return write('<BBdddd', 1, LIVES, head.created, head.seen, head.most, head.writes) .. head.rest
end

-- A session is valid while its user's index says so: until when, in milliseconds. Nothing for one that is over, was revoked, or never was.
local function valid(index, digest)
    local till = tonumber(call('ZSCORE', index, digest) or 0)
    return till > now and till or nil
end

-- What is told of one that is not: where it went, if it has another token since; else 0.
local function gone(key)
    local raw = call('HGET', key, '')
    if raw and string.byte(raw, 2) == MOVED then
        return sub(raw, 3)
    end
    return 0
end

-- The index lives as long as the last of the sessions in it.
local function outlive(index, till)
    if call('PEXPIREAT', index, till, 'NX') == 0 then
        call('PEXPIREAT', index, till, 'GT')
    end
end

-- A session is valid until then, and its keys live so long.
local function prolong(key, index, digest, till)
    local text = decimal(till)
    call('ZADD', index, text, digest)
    call('PEXPIREAT', key, text)
    outlive(index, text)
end

-- Ends the refresh tokens of sessions, by their internal numbers: what is not in the index is not valid.
local function end_families(families, ended)
    if next(ended) then
        for _, member in ipairs(call('ZRANGE', families, 0, 999)) do
            if ended[sub(member, 23)] then
                call('ZREM', families, member)
            end
        end
    end
end
