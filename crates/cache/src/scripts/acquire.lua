-- Takes the lease of a value that is missing, unless it is there by now or somebody else has the lease.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- ARGV[1]  the token of who asks
-- ARGV[2]  how long the lease is, in milliseconds
-- ARGV[3]  bytes that stand for the value and that who asks cannot read; empty if there are none
-- REPLY    { value }; { } if the lease is taken; the milliseconds for which somebody else has it yet, who will wake us
-- COST     O(1)
-- COMMANDS: GET, SET, PTTL
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'string' and value ~= ARGV[3] then
    return { value }
end
local holder = redis.call('GET', KEYS[2])
if not holder then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return {}
end
-- Ours already, by a call whose reply was lost; perhaps somebody waits by now.
if holder == ARGV[1] or holder == ARGV[1] .. '+' then
    return {}
end
-- The mark says that somebody waits.
if string.sub(holder, -1) ~= '+' then
    redis.call('SET', KEYS[2], holder .. '+', 'KEEPTTL')
end
return redis.call('PTTL', KEYS[2])
