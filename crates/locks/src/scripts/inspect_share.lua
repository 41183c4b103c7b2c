-- What is known of what several may hold.
-- KEYS     who holds it, its queue, and until when who waits counts as alive
-- ARGV     how many who wait are told, at most 1000
-- REPLY    how many wait; how many hold some; of each of those '<Bdddc16' and a label: 1, fence, how long it still is, how much, who; and of
--          each who waits, first come first, its member
-- COST     O(holders + waiters told), at most 2000
-- COMMANDS: HGET, HGETALL, ZCARD, ZRANGE
local lock = look(KEYS[1])
if lock.err then
    return lock
end
local told, all = { call('ZCARD', queue), 0 }, call('HGETALL', lock.key)
for index = 1, #all, 2 do
    local holder = all[index] ~= '' and holder_of(all[index + 1])
    if holder and holder.weight > 0 then
        told[#told + 1] = write('<Bdddc16', 1, holder.fence, holder.till - now, holder.weight, all[index]) .. holder.label
    end
end
told[2] = #told - 2
for _, one in ipairs(call('ZRANGE', queue, 0, ARGV[1] - 1)) do
    -- As a mutex' members are, and then the label.
    told[#told + 1] = sub(one, 1, 24) .. sub(one, 42)
end
return told
