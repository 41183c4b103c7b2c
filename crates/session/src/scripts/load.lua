-- Reads sessions, and makes those that are used last longer.
-- KEYS     of each call the session, its user's index
-- ARGV     for how long a session is valid unless it is used (milliseconds), and how much of that must be over before it is written down again that it was;
--          then of each call the stamp that the caller knows ('' for none)
-- REPLY    of each until when it is valid, where the caller knows all else; an array of its first field and that, where they know what it holds; or all its fields and that in MessagePack; or 0 if
--          there is none; or the digest of the one that it is now
-- COST     O(fields), at most 32 sessions
-- COMMANDS: HGET, HSET, HGETALL
local idle, slack = tonumber(ARGV[1]), tonumber(ARGV[2])

return each(#KEYS / 2, function(at)
    local key, index, known = KEYS[2 * at - 1], KEYS[2 * at], ARGV[at + 2]
    local till = valid(index, digest_of(key))
    if not till then
        return gone(key)
    end
    local is_due = now + idle - till >= slack
    if is_due or known ~= '' then
        local raw = call('HGET', key, '')
        if not raw then
            return 0
        end
        if is_due then
            local head = header(raw)
            local later = math.min(now + idle, head.most)
            if later > till then
                head.seen, till = now, later
                raw = headed(head)
                call('HSET', key, '', raw)
                prolong(key, index, digest_of(key), till)
            end
        end
        if stamp_of(raw) == known then
            return till
        elseif version_of(raw) == sub(known, 17) then
            return { raw, till }
        end
    end
    local all = call('HGETALL', key)
    if #all == 0 then
        return 0
    end
    return told(all, till)
end)
