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
end_lease(KEYS[2], ARGV[1], ARGV[2])
announce(3, 3, ARGV[7])
return redis.call('DEL', KEYS[1])
