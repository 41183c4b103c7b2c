-- Takes a lock, or waits for it in the order of coming; who waits calls this now and then, to be heard of.
-- KEYS     the lock, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), who asks (16 bytes), for how long (microseconds), the highest fence that
--          was seen elsewhere (0 for none), a label, how long this is heard (microseconds; 0 waits for nothing), whether whoever comes
--          first may take it (1), how long who it is handed to has to say so (microseconds), and what the channels begin with
-- REPLY    '<Bddd' as `take.lua`; and how many are before it, where it waits
-- COST     O(waiters that died + log waiters), at most 100
-- COMMANDS: GET, SET, ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, ZADD, ZSCORE, ZRANK, PEXPIRE, PUBLISH
local keeps, owner, lease, seen, label = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local hears, barges, confirm, channel = tonumber(ARGV[6]), ARGV[7] == '1', tonumber(ARGV[8]), ARGV[9]
local me = member(owner, lease, label)
local lock = look(KEYS[1])
if lock.err then
    return lock
end
prune()
if has_left(lock, owner) then
    return write('<Bddd', 0, lock.fence, 0, 0)
end
local is_mine = is_held(lock) and lock.owner == owner
if not is_held(lock) then
    local one = first()
    if barges or not one or one == me then
        leave(me)
        grant(lock, owner, lease, label)
        is_mine = true
    else
        -- Its holder is gone, and nobody has told the first who waits.
        hand_on(lock, barges, confirm, channel)
    end
end
if is_mine and lock.fence <= seen then
    -- Not with this fence; it is somebody else's turn.
    leave(me)
    local offered = lock.fence
    free(lock)
    hand_on(lock, barges, confirm, channel)
    store(lock, keeps)
    return write('<Bddd', 3, offered, 0, 0)
end
if is_mine then
    -- From now on it is theirs for as long as they want it, also if it was handed to them for a short time.
    leave(me)
    lock.lease, lock.till = lease, now + lease
    count_waiting(lock)
    store(lock, keeps)
    return write('<Bddd', 1, lock.fence, lease, 0)
end
if hears > 0 then
    join(me, hears)
end
count_waiting(lock)
store(lock, keeps)
return write('<Bddd', 0, lock.fence, math.max(0, lock.till - now), call('ZRANK', queue, me) or 0)
