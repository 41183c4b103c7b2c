-- Ends a session that its user's index names and that is elsewhere; and where it is not yet, it will not be.
-- KEYS     the index that says whether it is valid, that of its refresh tokens, the session, and the etag
-- ARGV     its digest, and its internal number
-- REPLY    an array of what its first field held if it was valid, else 0
-- COST     O(1)
-- COMMANDS: HGET, HSET, ZREM, UNLINK, PEXPIRE
local index, key, digest = KEYS[1], KEYS[3], ARGV[1]
local till, raw = valid(index, digest), call('HGET', key, '')
local lives = raw and string.byte(raw, 2) == LIVES
if till and lives and number_of(raw) ~= ARGV[2] then
    -- It is another's, who was faster.
    return 0
end
call('ZREM', index, digest)
forget_left(index, KEYS[4])
call('UNLINK', key)
-- Who has named it and is about to create it comes too late.
call('HSET', key, '', write('<BB', 1, ENDED) .. ARGV[2])
call('PEXPIRE', key, 60000)
return till and { raw or '' } or 0
