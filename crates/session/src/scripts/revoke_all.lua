-- Ends all sessions of a user and their refresh tokens, or all but those of one session, at once; also those of logins that have begun before.
-- KEYS     the index, that of the user's families, when that was done, and their etag
-- ARGV     the digest of the session that stays ('' for none), and its internal number
-- REPLY    the digests of those that had ended by themselves, of those that end now, and of those whose keys are still there; and the families that end now, and
--          those whose keys are still there
-- COST     O(sessions + families), at most 1,000 of each
-- COMMANDS: ZREM, ZADD, SET
local index, families, stays = KEYS[1], KEYS[2], ARGV[1]
local till = valid(index, stays)
if not till then
    call('UNLINK', KEYS[4])
else
    forget(KEYS[4])
    call('ZREM', index, stays)
end
local over, ended, struck = make_room(index, 0)
if till then
    call('ZADD', index, decimal(till), stays)
    outlive(index, till)
end
local _, _, struck_families = make_room(families, math.huge)
local ended_families = end_families(families, {}, till and ARGV[2] or '')
call('SET', KEYS[3], after_revoked(KEYS[3]), 'PX', 3600000)
return { over, ended, struck, ended_families, struck_families }
