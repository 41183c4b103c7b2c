-- Takes a mutex from whoever holds it, tells them, and hands it to the first who waits.
-- KEYS     the lock, its queue, and until when who waits counts as alive
-- ARGV     how long a free lock is remembered (milliseconds), how long who it is handed to has to say so (microseconds), what the
--          channels begin with, why, and whether whoever comes first may take it (1)
-- REPLY    '<Bdddc16' and a label of who held it, as `inspect.lua` says; nothing if nobody did
-- COST     O(waiters that died + log waiters), at most 100
-- COMMANDS: GET, SET, ZRANGE, ZRANGEBYSCORE, ZREM, ZCARD, PUBLISH
local lock = look(KEYS[1])
if lock.err then
    return lock
end
if not is_held(lock) then
    return {}
end
local held = held_by(lock)
tell(lock.owner, ARGV[3], write('<Bc16', 2, lock.owner) .. ARGV[4])
free(lock)
-- A release by who held it is not theirs any more.
lock.owner = NOBODY
hand_on(lock, ARGV[5] == '1', tonumber(ARGV[2]), ARGV[3])
store(lock, tonumber(ARGV[1]))
return { held }
