#!lua flags=allow-oom
-- Has a lease last longer.
-- KEYS[1]  the lease
-- ARGV[1]  the token of who has it
-- ARGV[2]  how long it lasts from now on, in milliseconds
-- REPLY    1 if it does, 0 if it was gone
-- COST     O(1)
-- COMMANDS: GET, PEXPIRE
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and holder ~= ARGV[1] .. '+' then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
