-- Who waits for a lock: two sorted sets beside it, in its slot. Members are '<d' how long they want it, who they are (16 bytes), and
-- their label, or what a script of their own makes of it; scores are the order of coming in one, and in the other until when they count as alive.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(waiters that died), at most 100
-- COMMANDS: ZRANGE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZREM, ZCARD, ZCOUNT, ZRANK, ZADD, ZSCORE, PEXPIRE, PUBLISH
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

-- Those who let others go first have scores from here on.
local YIELDS = 2 ^ 50

-- How many are served before somebody, who may not be in the queue.
local function before(one, yields)
    return call('ZRANK', queue, one) or call('ZCOUNT', queue, '-inf', yields and '+inf' or '(' .. decimal(YIELDS))
end

-- Waits at the end of the queue, or of those in it who do not let others go first, and is heard of for so long (in microseconds).
local function join(one, hears, yields)
    if not call('ZSCORE', queue, one) then
        local from, to = 0, '(' .. decimal(YIELDS)
        if yields then
            from, to = YIELDS, '+inf'
        end
        local last = call('ZREVRANGEBYSCORE', queue, to, decimal(from), 'WITHSCORES', 'LIMIT', 0, 1)
        call('ZADD', queue, decimal((last[2] or from) + 1), one)
    end
    call('ZADD', beats, decimal(now + hears), one)
    -- Longer than anybody who is alive is not heard of.
    local lives = decimal(hears / 1000 + 1000)
    call('PEXPIRE', queue, lives)
    call('PEXPIRE', beats, lives)
end

-- Tells a process something on its channel: '<B' what, and who (16 bytes); 1 and '<d' the fence with which it was handed to them, or 0 where they
-- may take it; 2 and why it was taken from them.
local function tell(owner, channel, message)
    local instance = string.gsub(sub(owner, 1, 8), '.', function(c)
        return string.format('%02x', string.byte(c))
    end)
    -- Who may not publish wakes nobody; who waits asks now and then.
    redis.pcall('PUBLISH', channel .. instance, message)
end
