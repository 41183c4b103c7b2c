-- Ends a session, and tells what it held: the first half of a login where its user's sessions are on another server.
-- KEYS     the session, the index that it is in, that of its refresh tokens, and the etag
-- ARGV     its digest
-- REPLY    as `load.lua`
-- COST     O(fields)
-- COMMANDS: HGETALL, ZREM, UNLINK
local key, index = KEYS[1], KEYS[2]
local till = valid(index, ARGV[1])
local all = till and call('HGETALL', key) or {}
if #all == 0 then
    return gone(key)
end
call('ZREM', index, ARGV[1])
forget_left(index, KEYS[4])
call('UNLINK', key)
for at = 1, #all, 2 do
    if all[at] == '' then
        end_families(KEYS[3], { [number_of(all[at + 1])] = true })
    end
end
return told(all, till)
