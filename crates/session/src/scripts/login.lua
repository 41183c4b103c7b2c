-- Makes a session that of a user: as if it were created now, with the data that it has, and under another digest; the old one is over.
-- KEYS     the session, the index that it is in, the session under its new digest, the user's index, when the user's sessions were revoked, the index of the
--          refresh tokens that it has, the etag that it is under, and the user's
-- ARGV     its digest, the new one, for how long it is valid unless it is used and at most (milliseconds), how many sessions the user may have, since when all of
--          them must not have been revoked (microseconds, '' for ever), its internal number and what describes it; 'k' if it keeps its times
-- REPLY    the session as `load.lua` tells it, and arrays of the digests of the user's sessions, as `create.lua`, and one of the
--          families of refresh tokens that it had; or '' in an array if all were revoked meanwhile; or 0, or a digest, as `load.lua`
-- COST     O(fields + sessions that ended since), at most 1,000 sessions
-- COMMANDS: HGETALL, EXISTS, RENAME, ZREM, HSET
local key, index, new, theirs, digest = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2]
local till, over, ended, struck, families = valid(index, ARGV[1]), {}, {}, {}, {}
if till and call('EXISTS', key) == 1 then
    if revoked_since(KEYS[5], ARGV[6]) then
        return { '' }
    end
    local head = { created = now, seen = now, most = now + tonumber(ARGV[4]), writes = 0, written = now_exactly, rest = ARGV[7] }
    local was = header(call('HGET', key, ''))
    call('ZREM', index, ARGV[1])
    forget_left(index, KEYS[7])
    families = ARGV[8] ~= 'k' and end_families(KEYS[6], { [sub(ARGV[7], 1, 16)] = true }) or {}
    call('RENAME', key, new)
    call('HSET', new, '', headed(head))
    over, ended, struck = make_room(theirs, tonumber(ARGV[5]) - 1)
    if ARGV[8] == 'k' then
        head.created, head.most, head.writes = was.created, was.most, was.writes
        call('HSET', new, '', headed(head))
    else
        till = math.min(now + tonumber(ARGV[3]), head.most)
    end
    prolong(new, theirs, digest, till)
    tag(theirs, KEYS[8], unique(''))
else
    -- Or it was done before, and the reply was lost.
    till = valid(theirs, digest)
    if not till then
        return gone(key)
    end
end
return { told(call('HGETALL', new), till), over, ended, struck, families }
