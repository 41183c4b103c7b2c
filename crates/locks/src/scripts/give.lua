-- Releases mutexes that nobody waits for.
-- KEYS     the locks
-- ARGV     of each call who holds it (16 bytes)
-- REPLY    of each 1 it was theirs and is free, or was when this was sent before; 0 it was not theirs any more; 2 somebody waits, and
--          nothing has changed. An error where the key holds something else.
-- COST     O(calls), at most 64
-- COMMANDS: GET, SETRANGE
-- It needs no clock: who releases knows that they hold it, and what ended since nobody has taken.
local call, read, sub = redis.call, struct.unpack, string.sub
local FREE, replies = string.rep('\0', 8), {}
for index = 1, #KEYS do
    local key = KEYS[index]
    local raw = redis.pcall('GET', key)
    if raw and raw.err then
        replies[index] = raw
    elseif not raw or string.byte(raw) ~= 1 or sub(raw, 27, 42) ~= ARGV[index] then
        replies[index] = 0
    else
        local waits, _, till = read('<Bdd', raw, 2)
        if till == 0 then
            replies[index] = 1
        elseif waits > 0 then
            replies[index] = 2
        else
            -- Until when it is held. It lives at least as long as free locks are remembered: a lease longer, when it was taken.
            call('SETRANGE', key, 10, FREE)
            replies[index] = 1
        end
    end
end
return replies
