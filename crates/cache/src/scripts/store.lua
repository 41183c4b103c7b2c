-- Stores a value, and ends the lease of whoever loads it at the moment.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- ARGV[1]  the value's bytes
-- ARGV[2]  how long it lives, in milliseconds
-- ARGV[3]  the channel on which those who wait are woken
-- ARGV[4]  what wakes them
-- REPLY    1
-- COST     O(1)
-- COMMANDS: GET, SET, DEL, PUBLISH
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local holder = redis.call('GET', KEYS[2])
if holder then
    redis.call('DEL', KEYS[2])
    if string.sub(holder, -1) == '+' then
        redis.call('PUBLISH', ARGV[3], ARGV[4])
    end
end
return 1
