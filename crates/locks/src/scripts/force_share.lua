-- Takes all of what several may hold from those who do, tells them, and hands it to those who wait first.
-- KEYS     who holds it, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), how long who it is handed to has to say so (microseconds), what the
--          channels begin with, why, and whether whoever comes first may take it (1)
-- REPLY    of each who held some '<Bdddc16' and a label, as `inspect_share.lua` says
-- COST     O(holders), at most 1000; O(waiters that died + log waiters), at most 100
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HLEN, PEXPIRE, PTTL, ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, PUBLISH
local lock = look(KEYS[1])
if lock.err then
    return lock
end
local held, all = {}, call('HGETALL', lock.key)
for index = 1, #all, 2 do
    local owner, holder = all[index], all[index] ~= '' and holder_of(all[index + 1])
    if holder and holder.weight > 0 then
        held[#held + 1] = write('<Bdddc16', 1, holder.fence, holder.till - now, holder.weight, owner) .. holder.label
        tell(owner, ARGV[3], write('<Bc16', 2, owner) .. ARGV[4])
        call('HDEL', lock.key, owner)
    end
end
if #held > 0 then
    count_holders(lock)
    hand_on(lock, ARGV[5] == '1', tonumber(ARGV[2]), ARGV[3])
    store(lock, tonumber(ARGV[1]))
end
return held
