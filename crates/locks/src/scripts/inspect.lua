-- What is known of a mutex.
-- KEYS     the lock, its queue, and until when who waits counts as alive
-- ARGV     how many who wait are told, at most 1000
-- REPLY    how many wait; how many hold it; of each of those '<Bdddc16' and a label: 1, fence, how long it still is, 1, who; and of each who
--          waits, first come first, its member
-- COST     O(waiters told)
-- COMMANDS: GET, ZCARD, ZRANGE
local lock = look(KEYS[1])
if lock.err then
    return lock
end
local told = { call('ZCARD', KEYS[2]), 0 }
if is_held(lock) then
    told[2], told[3] = 1, held_by(lock)
end
for _, one in ipairs(call('ZRANGE', KEYS[2], 0, ARGV[1] - 1)) do
    told[#told + 1] = one
end
return told
