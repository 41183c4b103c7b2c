-- What is known of a lock.
-- KEYS     the lock, and its queue
-- ARGV     how many who wait are told, at most 1000
-- REPLY    how many wait; '<Bddc16' and a label of who holds it: 1, fence, how long it still is, who; empty if nobody does; and of each
--          who waits, first come first, its member
-- COST     O(waiters told)
-- COMMANDS: GET, ZCARD, ZRANGE
local lock = look(KEYS[1])
if lock.err then
    return lock
end
local held = ''
if is_held(lock) then
    held = write('<Bddc16', 1, lock.fence, lock.till - now, lock.owner) .. lock.label
end
return { call('ZCARD', KEYS[2]), held, unpack(call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)) }
