-- Holds locks for longer.
-- KEYS     the locks
-- ARGV     how long a free lock is remembered, in milliseconds; then of each call who holds it (16 bytes), and for how long from now on
--          (microseconds)
-- REPLY    of each 1 it is theirs, 0 it is not any more. An error where the key holds something else.
-- COST     O(calls), at most 500
-- COMMANDS: GET, SET
local keeps, replies = tonumber(ARGV[1]), {}
for index = 1, #KEYS do
    local lock = look(KEYS[index])
    if lock.err then
        replies[index] = lock
    elseif lock.owner == ARGV[2 * index] and is_held(lock) then
        lock.lease = tonumber(ARGV[2 * index + 1])
        lock.till = now + lock.lease
        store(lock, keeps)
        replies[index] = 1
    else
        replies[index] = 0
    end
end
return replies
