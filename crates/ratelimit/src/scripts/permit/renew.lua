-- Lets a permit last anew, if it has not ended.
-- KEYS     the subject's permits
-- ARGV     how long it lasts in microseconds, its id
-- REPLY    1, or 0 if it has ended
-- COST     O(log permits)
-- COMMANDS: ZSCORE, ZADD, PEXPIRE, PTTL
local till = call('ZSCORE', KEYS[1], ARGV[2])
if not till or tonumber(till) <= now then
    return 0
end
local lasts = tonumber(ARGV[1])
call('ZADD', KEYS[1], decimal(now + lasts), ARGV[2])
keep(KEYS[1], false, now + lasts)
return 1
