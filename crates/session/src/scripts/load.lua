-- Reads sessions, and makes those that are used last longer.
-- KEYS     of each call the session, its user's index, and their etag
-- ARGV     for how long a session is valid unless it is used (milliseconds), and how much of that must be over before it is written down again that it was;
--          then of each call what nobody else says, for an etag
-- REPLY    of each all its fields, until when it is valid and the etag, in MessagePack; or 0 if there is none; or the digest of the one that it is now
-- COST     O(fields), at most 32 sessions
-- COMMANDS: GET, SET, HSET, HGETALL, ZRANGEBYSCORE
local idle, slack = tonumber(ARGV[1]), tonumber(ARGV[2])

return each(#KEYS / 3, function(at)
    local key, index, etag = KEYS[3 * at - 2], KEYS[3 * at - 1], KEYS[3 * at]
    local till = valid(index, digest_of(key))
    if not till then
        return gone(key)
    end
    local all = call('HGETALL', key)
    if #all == 0 then
        return 0
    end
    local known = call('GET', etag)
    if now + idle - till >= slack then
        local first = 1
        while all[first] ~= '' do
            first = first + 2
        end
        local head = header(all[first + 1])
        local later = math.min(now + idle, head.most)
        if later > till then
            head.seen, till, known = now, later, nil
            all[first + 1] = headed(head)
            call('HSET', key, '', all[first + 1])
            prolong(key, index, digest_of(key), till)
        end
    end
    return told(all, till, known or tagged(index, etag, ARGV[at + 2]))
end)
