-- Takes some of what several may hold, or waits for it in the order of coming; who waits calls this now and then, to be heard of.
-- KEYS     who holds it, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), who asks (16 bytes), for how long (microseconds), the highest fence that
--          was seen elsewhere (0 for none), a label, how long this is heard (microseconds; 0 waits for nothing), whether whoever comes
--          first may take it (1), how long who it is handed to has to say so (microseconds), what the channels begin with; how much, of how
--          much, and whether they let others go first (1)
-- REPLY    '<Bddd': 1 and its fence and how long it is held, and 0; 0 it is taken, the last fence, how long until a lease may end, and how many
--          are before it; 3 the fence that it would have is not above the one that was seen, and which that is
-- COST     O(waiters that died + log waiters), at most 100; O(holders), at most 1000, when a lease may have ended
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HLEN, PEXPIRE, PTTL, ZRANGE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZREM, ZCARD, ZCOUNT, ZRANK, ZADD, ZSCORE, PUBLISH
local keeps, owner, lease, seen, label = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local hears, barges, confirm, channel = tonumber(ARGV[6]), ARGV[7] == '1', tonumber(ARGV[8]), ARGV[9]
local weight, of, yields = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local me = share_member(owner, lease, weight, of, yields, label)
local lock = look_closely(KEYS[1])
if lock.err then
    return lock
end
local mine = find(lock, owner)
if mine and mine.weight == 0 then
    -- They have gone away since: nobody would hold what this takes.
    return write('<Bddd', 0, lock.fence, 0, 0)
end
if lock.waits == 1 then
    -- What a dead holder had may be free, and nobody has told those who wait; who asks may be one of them.
    hand_on(lock, barges, confirm, channel)
    mine = mine or find(lock, owner)
end
if mine then
    -- From now on it is theirs for as long as they want it, also if it was handed to them for a short time.
    mine.lease, mine.till = lease, now + lease
    put(lock, owner, mine)
elseif fits(lock, weight, of) and (barges or lock.waits == 0 or before(me, yields == 1) == 0) then
    if lock.waits == 1 then
        leave(me)
        lock.waits = call('ZCARD', queue) > 0 and 1 or 0
    end
    mine = grant(lock, owner, weight, lease, label)
end
if mine and mine.fence <= seen then
    -- Not with this fence; it is somebody else's turn.
    free(lock, owner, mine)
    hand_on(lock, barges, confirm, channel)
    store(lock, keeps)
    return write('<Bddd', 3, mine.fence, 0, 0)
end
if mine then
    store(lock, keeps)
    return write('<Bddd', 1, mine.fence, mine.lease, 0)
end
local ahead = 0
if hears > 0 then
    join(me, hears, yields == 1)
    lock.waits, ahead = 1, before(me)
end
store(lock, keeps)
return write('<Bddd', 0, lock.fence, math.max(0, math.min(lock.earliest - now, lock.longest)), ahead)
