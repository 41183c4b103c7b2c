-- Blocks a subject, whatever is counted.
-- KEYS     the subject's hash
-- ARGV     how long, and for how long after that it is remembered, in microseconds
-- REPLY    none
-- COST     O(fields), a handful
-- COMMANDS: HGET, HGETALL, HSET, PEXPIRE, PTTL
local lasts = tonumber(ARGV[1])
block(KEYS[1], lasts, 0, lasts, tonumber(ARGV[2]))
return 0
