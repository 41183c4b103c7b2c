-- Releases a lock, or ends a wait for it, and hands it to the first who waits.
-- KEYS     the lock, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), who has it or waits (16 bytes), for how long (microseconds), a label, how long
--          who it is handed to has to say so (microseconds), what the channels begin with, and whether whoever comes first may take it (1)
-- REPLY    1 it was theirs, or was when this was sent before; 0 it was not
-- COST     O(waiters that died + log waiters), at most 100
-- COMMANDS: GET, SET, ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, PUBLISH
local keeps, owner, lease, label = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local confirm, channel, barges = tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local lock = look(KEYS[1])
if lock.err then
    return lock
end
leave(member(owner, lease, label))
local was = lock.owner == owner and (lock.till == 0 or is_held(lock))
if not is_held(lock) or was then
    -- Also if they had not got it: what they have sent may come after this.
    lock.owner = owner
    free(lock)
    hand_on(lock, barges, confirm, channel)
end
count_waiting(lock)
store(lock, keeps)
return was and 1 or 0
