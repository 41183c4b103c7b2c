-- Releases some of what several may hold, or ends a wait for it, and hands it to those who wait first.
-- KEYS     who holds it, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), who has it or waits (16 bytes), for how long (microseconds), a label, how long
--          who it is handed to has to say so (microseconds), what the channels begin with, whether whoever comes first may take it (1); how
--          much, of how much, and whether they let others go first (1)
-- REPLY    1 it was theirs; 0 it was not
-- COST     O(waiters that died + log waiters), at most 100; O(holders), at most 1000, when a lease may have ended
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HLEN, PEXPIRE, PTTL, ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, PUBLISH
local keeps, owner, lease, label = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local confirm, channel, barges = tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local weight, of, yields = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local lock = look_closely(KEYS[1])
if lock.err then
    return lock
end
local mine = find(lock, owner)
local was = mine and mine.weight > 0
if was then
    free(lock, owner, mine)
else
    leave(share_member(owner, lease, weight, of, yields, label))
    -- What they have sent may come after this.
    mark(lock, owner)
end
hand_on(lock, barges, confirm, channel)
store(lock, keeps)
return was and 1 or 0
