-- Ends all sessions of a user and their refresh tokens, or all but those of one session, at once: what is not in an index is not valid.
-- KEYS     the index, that of the user's families
-- ARGV     the digest of the session that stays ('' for none), and its internal number
-- REPLY    the digests of those that were ended, of which the keys are still there
-- COST     O(sessions + families), at most 1,000 of each
-- COMMANDS: ZRANGE, ZREM, DEL, ZADD, PEXPIREAT
local index, families, stays = KEYS[1], KEYS[2], ARGV[1]
local ended, till = {}, valid(index, stays)
for _, digest in ipairs(call('ZRANGE', index, 0, -1)) do
    if digest ~= stays then
        ended[#ended + 1] = digest
    end
end
call('DEL', index)
if till then
    call('ZADD', index, decimal(till), stays)
    outlive(index, decimal(till))
end
for _, member in ipairs(call('ZRANGE', families, 0, -1)) do
    if not till or sub(member, 23) ~= ARGV[2] then
        call('ZREM', families, member)
    end
end
return ended
