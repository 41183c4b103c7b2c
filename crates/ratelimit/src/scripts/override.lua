-- Gives a subject settings of its own for one policy, for a while, or takes them back.
-- KEYS     the subject's hash
-- ARGV     the policy's name, its settings, how long in microseconds; 0 takes them back
-- REPLY    none
-- COST     O(fields), a handful
-- COMMANDS: HSET, HDEL, HGETALL, PEXPIRE, PTTL
local name, lasts = '!limit:' .. ARGV[1], tonumber(ARGV[3])
if lasts == 0 then
    call('HDEL', KEYS[1], name)
    return 0
end
local is_new = call('PTTL', KEYS[1]) == -2
call('HSET', KEYS[1], name, write('<Bd', 1, now + lasts) .. ARGV[2])
mark(KEYS[1])
keep(KEYS[1], is_new, now + lasts)
return 0
