-- Stores a value, and ends the lease of whoever loads it at the moment.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the control state, and
-- KEYS[4]  its tags, and
-- KEYS[5]  the stream of changes; none of them where they live in another slot, or the cache has none
-- ARGV[1]  how long the value lives, in milliseconds
-- ARGV[2]  the channel on which those who wait are woken
-- ARGV[3]  what wakes them
-- ARGV[4]  the entry's head, empty for an entry without one
-- ARGV[5]  the epoch that begins if there is none; without KEYS[3] the present one
-- ARGV[6]  how long the control state lives, in milliseconds; without KEYS[3] its present clock
-- ARGV[7]  the rest of the entry
-- ARGV[8]  what is told of a change: see control.lua
-- ARGV[12] the change
-- REPLY    the clock that the entry is stored under, where the state was given
-- COST     O(1)
-- COMMANDS: GET, SET, DEL, PUBLISH
local epoch, stamp = ARGV[5], ARGV[6]
if KEYS[3] then
    local state = opened(3, ARGV[5], ARGV[6])
    epoch, stamp = state.epoch, state.now
end
redis.call('SET', KEYS[1], entry(ARGV[4], epoch, stamp, ARGV[7]), 'PX', ARGV[1])
local holder = redis.call('GET', KEYS[2])
if holder then
    redis.call('DEL', KEYS[2])
    if string.sub(holder, -1) == '+' then
        redis.call('PUBLISH', ARGV[2], ARGV[3])
    end
end
announce(5, 8, ARGV[12])
return number(stamp == '' and 0 or stamp)
