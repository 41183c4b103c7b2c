-- Who waits for a lock: two sorted sets beside it, in its slot. Members are '<d' how long they want it, who they are (16 bytes), and
-- their label; scores are the order of coming in one, and in the other until when they count as alive.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(waiters that died), at most 100
-- COMMANDS: ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, ZADD, ZSCORE, PEXPIRE, PUBLISH
local queue, beats = KEYS[2], KEYS[3]

local function member(owner, lease, label)
    return write('<dc16', lease, owner) .. label
end

-- Forgets who has not been heard of.
local function prune()
    for _, gone in ipairs(call('ZRANGEBYSCORE', beats, '-inf', decimal(now), 'LIMIT', 0, 100)) do
        call('ZREM', queue, gone)
        call('ZREM', beats, gone)
    end
end

-- Somebody does not wait any more.
local function leave(one)
    call('ZREM', beats, one)
    return call('ZREM', queue, one) == 1
end

-- Who is first; nobody after an eviction of the queue, or if nobody waits.
local function first()
    return call('ZRANGE', queue, 0, 0)[1]
end

-- Waits at the end of the queue, and is heard of for so long (in microseconds).
local function join(one, hears)
    if not call('ZSCORE', queue, one) then
        local last = call('ZRANGE', queue, -1, -1, 'WITHSCORES')
        call('ZADD', queue, decimal((last[2] or 0) + 1), one)
    end
    call('ZADD', beats, decimal(now + hears), one)
    -- Longer than anybody who is alive is not heard of.
    local lives = decimal(hears / 1000 + 1000)
    call('PEXPIRE', queue, lives)
    call('PEXPIRE', beats, lives)
end

local function count_waiting(lock)
    lock.waits = call('ZCARD', queue) > 0 and 1 or 0
end

-- Tells a process something on its channel.
local function tell(owner, channel, message)
    local instance = string.gsub(sub(owner, 1, 8), '.', function(c)
        return string.format('%02x', string.byte(c))
    end)
    -- Who may not publish wakes nobody; who waits asks now and then.
    redis.pcall('PUBLISH', channel .. instance, message)
end

-- Hands a lock that nobody holds to the first who waits, for a short time, in which they have to say that they are there; or, where whoever
-- comes first may take it, tells them that it is free.
local function hand_on(lock, barges, confirm, channel)
    prune()
    local one = first()
    if one then
        local lease, owner = read('<dc16', one)
        if not barges then
            leave(one)
            grant(lock, owner, math.min(lease, confirm), sub(one, 25))
        end
        tell(owner, channel, write('<Bc16', 1, owner))
    end
    count_waiting(lock)
end
