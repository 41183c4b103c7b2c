-- Makes a session that of a user: as if it were created now, with the data that it has, and under another digest; the old one is over.
-- KEYS     the session, the index that it is in, the session under its new digest, the user's index, the index of the refresh tokens that it has
-- ARGV     its digest, the new one, for how long it is valid unless it is used and at most (milliseconds), how many sessions the user may have, its
--          internal number and what describes it
-- REPLY    an array of all its fields and until when it is valid, and one of the digests of the user's sessions that were ended; or 0, or a digest, as
--          `load.lua`
-- COST     O(fields + sessions that ended since), at most 1,000 sessions
-- COMMANDS: HGETALL, EXISTS, RENAME, ZREM, HSET, ZREMRANGEBYSCORE, ZCARD, ZPOPMIN
local key, index, new, theirs, digest = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2]
local till, ended = valid(index, ARGV[1]), {}
if till and call('EXISTS', key) == 1 then
    local head = { created = now, seen = now, most = now + tonumber(ARGV[4]), writes = 0, rest = ARGV[6] }
    call('ZREM', index, ARGV[1])
    end_families(KEYS[5], { [sub(ARGV[6], 1, 16)] = true })
    call('RENAME', key, new)
    call('HSET', new, '', headed(head))
    call('ZREMRANGEBYSCORE', theirs, '-inf', decimal(now))
    local many = tonumber(ARGV[5])
    while call('ZCARD', theirs) >= many do
        ended[#ended + 1] = call('ZPOPMIN', theirs)[1]
    end
    till = math.min(now + tonumber(ARGV[3]), head.most)
    prolong(new, theirs, digest, till)
else
    -- Or it was done before, and the reply was lost.
    till = valid(theirs, digest)
    if not till then
        return gone(key)
    end
end
local all = call('HGETALL', new)
all[#all + 1] = decimal(till)
return { all, ended }
