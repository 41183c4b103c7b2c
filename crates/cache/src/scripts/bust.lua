-- Has versions of a value that are older than this count no more, nor be stored.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the control state,
-- KEYS[4]  its tags, and
-- KEYS[5]  the stream of changes; none of them where they live in another slot
-- ARGV[1]  the channel on which those who wait are woken
-- ARGV[2]  what wakes them
-- ARGV[3]  the head of the entry that says so
-- ARGV[4]  the rest of it
-- ARGV[5]  how long it lives, in milliseconds
-- ARGV[6]  what is told of a change: see control.lua
-- ARGV[10] the change
-- REPLY    1 if there was an older value, or one without a version; else 0
-- COST     O(1), and the freeing of the value
-- COMMANDS: EXISTS, GET, GETRANGE, SET, DEL, PUBLISH
local state = KEYS[3] and state_of(3)
local there = version_at(1, state and state.epoch)
if there and there >= version_of(ARGV[3], ARGV[4], 28) then
    return 0
end
local existed = redis.call('EXISTS', KEYS[1])
-- Of no epoch: it never holds.
redis.call('SET', KEYS[1], entry(ARGV[3], 0, 0, ARGV[4]), 'PX', ARGV[5])
end_lease(KEYS[2], ARGV[1], ARGV[2])
announce(5, 6, ARGV[10])
return existed
