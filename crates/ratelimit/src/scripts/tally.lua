-- Adds what a process has counted to a minute's counts.
-- KEYS     the minute's counts, and the subjects that were denied most in it
-- ARGV     how long they are kept in milliseconds, how many counts there are, of each its name and how much; then of each subject how
--          often it was denied, and its name
-- REPLY    none
-- COST     O(counts + subjects × log subjects), at most 1,000
-- COMMANDS: HINCRBY, PEXPIRE, ZINCRBY, ZREMRANGEBYRANK
local MOST = 1000
local subjects = 3 + 2 * ARGV[2]
for at = 3, subjects - 1, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
for at = subjects, #ARGV, 2 do
    redis.call('ZINCRBY', KEYS[2], ARGV[at], ARGV[at + 1])
end
if #ARGV >= subjects then
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -MOST - 1)
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return 0
