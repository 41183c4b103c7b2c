-- Reads sessions, and makes those that are used last longer.
-- KEYS     of each call the session, its user's index, and their etag; or the index again, if the caller remembers none
-- ARGV     for how long a session is valid unless it is used (milliseconds), and how much of that must be over before it is written down again that it was;
--          then of each call 16 bytes that nobody else says, for an etag, and the etag that the caller knows; '' if they remember none
-- REPLY    of each 1 if all is as the caller knows it; or all its fields, until when it is valid and the etag, in MessagePack; or 0 if there is none; or the digest of the
--          one that it is now
-- COST     O(fields), at most 32 sessions
-- COMMANDS: GET, EXISTS, HSET, HGETALL
local idle, slack = tonumber(ARGV[1]), tonumber(ARGV[2])

return each(#KEYS / 3, function(at)
    local key, index, etag, asked = KEYS[3 * at - 2], KEYS[3 * at - 1], KEYS[3 * at], ARGV[at + 2]
    local till = valid(index, digest_of(key))
    if not till then
        return gone(key)
    end
    local known, is_due = asked ~= '' and call('GET', etag), now + idle - till >= slack
    if known and not is_due and known == sub(asked, 17) then
        return call('EXISTS', key)
    end
    local all = call('HGETALL', key)
    if #all == 0 then
        return 0
    end
    local is_later = false
    for field = 1, is_due and #all or 0, 2 do
        if all[field] == '' then
            local head = header(all[field + 1])
            local later = math.min(now + idle, head.most)
            is_later = later > till
            if is_later then
                head.seen, till = now, later
                all[field + 1] = headed(head)
                call('HSET', key, '', all[field + 1])
                prolong(key, index, digest_of(key), till)
            end
        end
    end
    -- Others may go on with what they remember: it ends no earlier.
    if asked ~= '' and (is_later or not known) then
        known = tag(index, etag, known or unique(sub(asked, 1, 16)))
    end
    return told(all, till, known)
end)
