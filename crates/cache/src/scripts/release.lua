#!lua flags=allow-oom
-- Gives a lease back without a value.
-- KEYS[1]  the lease
-- ARGV[1]  the token of who has it
-- ARGV[2]  the channel on which those who wait are woken
-- ARGV[3]  what wakes them
-- REPLY    1 if it was given back, 0 if it was gone
-- COST     O(1)
-- COMMANDS: GET, DEL, PUBLISH
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and holder ~= ARGV[1] .. '+' then
    -- Whoever waited for it may not have been told.
    redis.call('PUBLISH', ARGV[2], ARGV[3])
    return 0
end
redis.call('DEL', KEYS[1])
if holder ~= ARGV[1] then
    redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return 1
