-- Releases locks that nobody waits for.
-- KEYS     the locks
-- ARGV     how long a free lock is remembered, in milliseconds; then of each call who holds it (16 bytes)
-- REPLY    of each 1 it was theirs and is free, or was when this was sent before; 0 it was not theirs any more; 2 somebody waits, and
--          nothing has changed. An error where the key holds something else.
-- COST     O(calls), at most 64
-- COMMANDS: GET, SET
local keeps, replies = tonumber(ARGV[1]), {}
for index = 1, #KEYS do
    local lock = look(KEYS[index])
    if lock.err then
        replies[index] = lock
    elseif lock.owner ~= ARGV[index + 1] then
        replies[index] = 0
    elseif lock.till == 0 then
        replies[index] = 1
    elseif not is_held(lock) then
        replies[index] = 0
    elseif lock.waits > 0 then
        replies[index] = 2
    else
        free(lock)
        store(lock, keeps)
        replies[index] = 1
    end
end
return replies
