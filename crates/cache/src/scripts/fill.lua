-- Stores a loaded value, if the lease under which it was loaded is still there: whatever changed the value ended it.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- ARGV[1]  the token of who loaded
-- ARGV[2]  the value's bytes
-- ARGV[3]  how long it lives, in milliseconds
-- ARGV[4]  the channel on which those who wait are woken
-- ARGV[5]  what wakes them
-- REPLY    1 if it was stored, else 0
-- COST     O(1)
-- COMMANDS: GET, SET, DEL, PUBLISH
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] and holder ~= ARGV[1] .. '+' then
    return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if holder ~= ARGV[1] then
    redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return 1
