-- What the scripts of a cache begin with: the server's clock, the state that says which of its entries hold, and the stream in
-- which its changes are told.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME, GET, SET, DEL, UNLINK, ZADD, ZSCORE, PEXPIRE, EXISTS, XREVRANGE, XADD, PUBLISH

-- The server's time, in microseconds.
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- A number as text: Lua's own way keeps 14 digits.
local function number(value)
    return string.format('%.0f', value)
end

-- The state of KEYS[at]; nothing if it is gone.
local function state_of(at)
    local text = redis.call('GET', KEYS[at])
    if not text then
        return nil
    end
    local epoch, now, floor, gate = string.match(text, '^1 (%d+) (%d+) (%d+) (%d+)$')
    if not epoch then
        return nil
    end
    return { epoch = tonumber(epoch), now = tonumber(now), floor = tonumber(floor), gate = tonumber(gate) }
end

local function text_of(state)
    return '1 ' .. number(state.epoch) .. ' ' .. number(state.now) .. ' ' .. number(state.floor) .. ' ' .. number(state.gate)
end

-- The tags of an epoch begin with it: where it is missing, some of them are.
local function begin_tags(at, state, ttl)
    redis.call('UNLINK', KEYS[at])
    redis.call('ZADD', KEYS[at], 0, '%e:' .. number(state.epoch))
    redis.call('PEXPIRE', KEYS[at], ttl)
end

local function has_tags(at, state)
    return redis.call('ZSCORE', KEYS[at], '%e:' .. number(state.epoch))
end

-- A new epoch: no entry of before holds. The state is KEYS[at], its tags are the next key.
local function begin(at, epoch, now, ttl)
    local state = { epoch = tonumber(epoch), now = now, floor = 0, gate = 0 }
    redis.call('SET', KEYS[at], text_of(state), 'PX', ttl)
    begin_tags(at + 1, state, ttl)
    return state
end

-- The state, made if it is gone.
local function opened(at, epoch, ttl)
    return state_of(at) or begin(at, epoch, clock(), ttl)
end

-- The state with a clock that has gone on: by one, or to the server's time. No step of that can set it back.
local function advanced(at)
    local state = state_of(at)
    if state then
        state.now = math.max(state.now + 1, clock())
    end
    return state
end

local function keep(at, state, ttl)
    redis.call('SET', KEYS[at], text_of(state), 'PX', ttl)
    redis.call('PEXPIRE', KEYS[at + 1], ttl)
end

-- An entry's bytes: head, what it was stored under, and the rest. Without a head the rest is all there is.
local function entry(head, epoch, stamp, rest)
    if head == '' then
        return rest
    end
    return head .. struct.pack('>I8I8I8', epoch, stamp, clock()) .. rest
end

-- The version of an entry, of which this is the head, and these are the bytes behind the first few of it; nothing where it has none.
local function version_of(head, bytes, first)
    if string.sub(head, 1, 2) == '\197\1' and bit.band(string.byte(head, 3) or 0, 4) ~= 0 and #bytes >= 54 - first then
        return struct.unpack('>I8', bytes, 47 - first)
    end
end

-- The version of what stands there: of this epoch, any if none is said, or of none.
local function version_at(at, epoch)
    local bytes = redis.pcall('GETRANGE', KEYS[at], 0, 53)
    if type(bytes) ~= 'string' then
        return
    end
    local its = string.sub(bytes, 5, 12)
    if not epoch or its == struct.pack('>I8', epoch) or its == struct.pack('>I8', 0) then
        return version_of(bytes, bytes, 0)
    end
end

-- Ends the lease of whoever loads a value; who waits for it is woken by this message on this channel.
local function end_lease(key, channel, message)
    local holder = redis.call('GET', key)
    if holder then
        redis.call('DEL', key)
        if string.sub(holder, -1) == '+' then
            redis.call('PUBLISH', channel, message)
        end
    end
end

-- Whether anybody keeps values in their memory.
local function is_followed(at)
    return redis.call('EXISTS', KEYS[at]) == 1
end

-- Tells a change to those who keep values in their memory. KEYS[at] is the stream of changes, and is there while somebody follows;
-- ARGV[from] is the channel, then come the tag of the stream's keys, who changes, and how many changes the stream keeps.
local function announce(at, from, change)
    if not KEYS[at] then
        return
    end
    local last = redis.call('XREVRANGE', KEYS[at], '+', '-', 'COUNT', 1)[1]
    if last then
        local next = string.match(last[1], '^%d+') .. '-*'
        local by = ARGV[from + 2]
        local id = redis.call('XADD', KEYS[at], 'MAXLEN', '~', ARGV[from + 3], next, 'by', by, 'change', change)
        redis.call('PUBLISH', ARGV[from], '1 ' .. ARGV[from + 1] .. ' ' .. id .. ' ' .. by .. ' ' .. change)
    end
end
