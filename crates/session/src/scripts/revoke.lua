-- Ends sessions of a user, and their refresh tokens.
-- KEYS     the index, that of the user's families, their etag, and the sessions
-- ARGV     the sessions' digests; then the internal numbers of logins whose refresh tokens stay
-- REPLY    the families of refresh tokens that ended; then of each session an array of what its first field held if it was valid, else 0; or the digest of the one
--          that it is now
-- COST     O(sessions + families), at most 500 and 1,000
-- COMMANDS: ZREM, UNLINK
local index, families, replies, of = KEYS[1], KEYS[2], {}, {}
for at = 1, #KEYS - 3 do
    local key, digest = KEYS[at + 3], ARGV[at]
    local till, raw = valid(index, digest), call('HGET', key, '')
    local moved = raw and string.byte(raw, 2) == MOVED
    if raw and not moved then
        of[number_of(raw)] = true
    end
    call('ZREM', index, digest)
    call('UNLINK', key)
    replies[at + 1] = moved and sub(raw, 3) or (till and { raw or '' } or 0)
end
for at = #KEYS - 2, #ARGV do
    of[ARGV[at]] = nil
end
forget_left(index, KEYS[3])
replies[1] = end_families(families, of)
return replies
