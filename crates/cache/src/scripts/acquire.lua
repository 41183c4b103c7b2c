-- Takes the lease of a value that is missing, unless it is there by now or somebody else has the lease.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the control state, and
-- KEYS[4]  its tags; neither where they live in another slot, or the cache has none
-- ARGV[1]  the token of who asks
-- ARGV[2]  how long the lease is, in milliseconds
-- ARGV[3]  the first bytes of what stands for the value and who asks has no use for; empty if nothing does
-- ARGV[4]  the epoch that begins if there is none
-- ARGV[5]  how long the control state lives, in milliseconds
-- REPLY    { server time, state, value }; { server time, state } if the lease is taken; the milliseconds for which somebody
--          else has it yet, who will wake us. The state is empty where it was not given.
-- COST     O(1)
-- COMMANDS: GET, GETRANGE, SET, PTTL
local state = ''
if KEYS[3] then
    state = text_of(opened(3, ARGV[4], ARGV[5]))
end
local seen = ARGV[3]
if seen == '' or redis.pcall('GETRANGE', KEYS[1], 0, #seen - 1) ~= seen then
    local value = redis.pcall('GET', KEYS[1])
    if type(value) == 'string' then
        return { number(clock()), state, value }
    end
end
local holder = redis.call('GET', KEYS[2])
if not holder then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return { number(clock()), state }
end
-- Ours already, by a call whose reply was lost; perhaps somebody waits by now.
if holder == ARGV[1] or holder == ARGV[1] .. '+' then
    return { number(clock()), state }
end
-- The mark says that somebody waits.
if string.sub(holder, -1) ~= '+' then
    redis.call('SET', KEYS[2], holder .. '+', 'KEEPTTL')
end
return redis.call('PTTL', KEYS[2])
