-- How a mutex goes from one to the next.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(waiters that died), at most 100
-- COMMANDS: ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, PUBLISH
local function count_waiting(lock)
    lock.waits = call('ZCARD', queue) > 0 and 1 or 0
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
        tell(owner, channel, write('<Bc16d', 1, owner, barges and 0 or lock.fence))
    end
    count_waiting(lock)
end
