-- Takes locks that nobody holds and nobody waits for.
-- KEYS     the locks
-- ARGV     how long a free lock is remembered, in milliseconds; then of each call who asks (16 bytes), for how long (microseconds),
--          the highest fence that was seen elsewhere (0 for none), and a label
-- REPLY    of each '<Bdd': 1 and its fence and how long it is held; 0 it is held, and how long that may still be; 2 nobody holds it, but
--          somebody may wait; 3 the fence that it would have is not above the one that was seen, and which that is. An error where the
--          key holds something else.
-- COST     O(calls), at most 64
-- COMMANDS: GET, SET
local keeps, replies = tonumber(ARGV[1]), {}
for index = 1, #KEYS do
    local at = 4 * index - 2
    local owner, lease, seen = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local lock = look(KEYS[index])
    if lock.err then
        replies[index] = lock
    elseif is_held(lock) then
        if lock.is_ahead then
            store(lock, keeps)
        end
        -- Its own, if the reply to the first of two was lost.
        replies[index] = write('<Bdd', lock.owner == owner and 1 or 0, lock.fence, lock.till - now)
    elseif has_left(lock, owner) then
        replies[index] = write('<Bdd', 0, lock.fence, 0)
    elseif lock.waits > 0 then
        replies[index] = write('<Bdd', 2, lock.fence, 0)
    elseif next_fence(lock) <= seen then
        replies[index] = write('<Bdd', 3, next_fence(lock), 0)
    else
        grant(lock, owner, lease, ARGV[at + 3])
        store(lock, keeps)
        replies[index] = write('<Bdd', 1, lock.fence, lease)
    end
end
return replies
