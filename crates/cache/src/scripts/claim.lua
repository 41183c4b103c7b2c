-- Takes the lease of a value from whoever has it, and removes a value that is about to be written.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the control state,
-- KEYS[4]  its tags, and
-- KEYS[5]  the stream of changes; none of them where they live in another slot, or the cache has none
-- ARGV[1]  the token of who writes
-- ARGV[2]  how long the lease is, in milliseconds
-- ARGV[3]  the epoch that begins if there is none
-- ARGV[4]  how long the control state lives, in milliseconds
-- ARGV[5]  what is told of a change: see control.lua
-- ARGV[9]  the change
-- ARGV[10] 1 if the value stays: it is about to be loaded anew
-- REPLY    { server time, state }; the state is empty where it was not given
-- COST     O(1), and the freeing of the value
-- COMMANDS: GET, SET, DEL
local state = ''
if KEYS[3] then
    state = text_of(opened(3, ARGV[3], ARGV[4]))
end
local holder = redis.call('GET', KEYS[2])
-- Who waits for the one before waits for us now.
local waits = holder and string.sub(holder, -1) == '+' and '+' or ''
redis.call('SET', KEYS[2], ARGV[1] .. waits, 'PX', ARGV[2])
if ARGV[10] ~= '1' then
    redis.call('DEL', KEYS[1])
    announce(5, 5, ARGV[9])
end
return { number(clock()), state }
