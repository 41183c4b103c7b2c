-- Ends sessions of a user, and their refresh tokens.
-- KEYS     the index, that of the user's families, and the sessions
-- ARGV     the sessions' digests
-- REPLY    of each 1 if it was valid, else 0; or the digest of the one that it is now
-- COST     O(sessions + families), at most 500 and 1,000
-- COMMANDS: ZREM, UNLINK
local index, families, replies, ended = KEYS[1], KEYS[2], {}, {}
for at, digest in ipairs(ARGV) do
    local key = KEYS[at + 2]
    local till, raw = valid(index, digest), call('HGET', key, '')
    local moved = raw and string.byte(raw, 2) == MOVED
    if raw and not moved then
        ended[sub(raw, 35, 50)] = true
    end
    call('ZREM', index, digest)
    call('UNLINK', key)
    replies[at] = moved and sub(raw, 3) or (till and 1 or 0)
end
end_families(families, ended)
return replies
