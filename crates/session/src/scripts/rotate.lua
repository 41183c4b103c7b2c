-- Gives a session another token; what the old one was is known for a while.
-- KEYS     the session, its user's index, the session under its new digest, and the user's etag
-- ARGV     its digest, the new one, and for how long the old one leads to it (milliseconds)
-- REPLY    until when it is valid; or 0, or a digest, as `load.lua`
-- COST     O(1)
-- COMMANDS: RENAME, ZREM, ZADD, HSET, PEXPIRE, PEXPIREAT, EXISTS
local key, index, new, digest = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local till = valid(index, digest)
if not till or call('EXISTS', key) == 0 then
    -- Done already, and the reply was lost: nobody else makes that digest.
    local again = valid(index, ARGV[2])
    return again and { decimal(again) } or gone(key)
end
forget(KEYS[4])
call('RENAME', key, new)
call('ZREM', index, digest)
prolong(new, index, ARGV[2], till)
if tonumber(ARGV[3]) > 0 then
    call('HSET', key, '', write('<BB', 1, MOVED) .. ARGV[2])
    call('PEXPIRE', key, ARGV[3])
end
return { decimal(till) }
