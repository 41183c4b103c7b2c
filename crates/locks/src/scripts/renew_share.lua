-- Holds, for longer, some of what several may hold.
-- KEYS     who holds it, of each call
-- ARGV     how long a free lock is remembered, in milliseconds; then of each call who holds it (16 bytes), and for how long from now on
--          (microseconds)
-- REPLY    of each 1 it is theirs, 0 it is not any more. An error where the key holds something else.
-- COST     O(calls), at most 500
-- COMMANDS: HGET, HSET, PEXPIRE, PTTL
local keeps, replies = tonumber(ARGV[1]), {}
for index = 1, #KEYS do
    local lock = look(KEYS[index])
    local owner = ARGV[2 * index]
    local mine = not lock.err and find(lock, owner)
    if lock.err then
        replies[index] = lock
    elseif mine and mine.weight > 0 then
        mine.lease = tonumber(ARGV[2 * index + 1])
        mine.till = now + mine.lease
        put(lock, owner, mine)
        store(lock, keeps)
        replies[index] = 1
    else
        replies[index] = 0
    end
end
return replies
