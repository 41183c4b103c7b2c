-- Removes a value, and ends the lease of whoever loads it at the moment.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the stream of changes; not where it lives in another slot, or the cache has none
-- ARGV[1]  the channel on which those who wait are woken
-- ARGV[2]  what wakes them
-- ARGV[3]  what is told of a change: see control.lua
-- ARGV[7]  the change
-- REPLY    1 if there was a value, else 0
-- COST     O(1), and the freeing of the value
-- COMMANDS: GET, DEL, PUBLISH
local holder = redis.call('GET', KEYS[2])
if holder then
    redis.call('DEL', KEYS[2])
    if string.sub(holder, -1) == '+' then
        redis.call('PUBLISH', ARGV[1], ARGV[2])
    end
end
announce(3, 3, ARGV[7])
return redis.call('DEL', KEYS[1])
