-- Reads sessions, and makes those that are used last longer.
-- KEYS     of each call the session, its user's index
-- ARGV     for how long a session is valid unless it is used (milliseconds), and how much of that must be over before it is written down again that it was;
--          then of each call its digest, and the version that the caller knows ('' for none)
-- REPLY    of each all its fields and until when it is valid, in MessagePack; or, where the caller knows it, an array of its first field and until when; or 0 if there is none; or the digest of the one that it is now
-- COST     O(fields), at most 32 sessions
-- COMMANDS: HGET, HSET, HGETALL
local idle, slack, replies = tonumber(ARGV[1]), tonumber(ARGV[2]), {}

local function load(key, index, digest, known)
    local till = valid(index, digest)
    if not till then
        return gone(key)
    end
    local raw
    if known ~= '' or now + idle - till >= slack then
        raw = call('HGET', key, '')
        if not raw then
            return 0
        end
    end
    if now + idle - till >= slack then
        local head = header(raw)
        local later = math.min(now + idle, head.most)
        if later > till then
            head.seen, till = now, later
            raw = headed(head)
            call('HSET', key, '', raw)
            prolong(key, index, digest, till)
        end
    end
    if raw and version_of(raw) == known then
        return { raw, decimal(till) }
    end
    local all = call('HGETALL', key)
    if #all == 0 then
        return 0
    end
    return told(all, till)
end

for at = 1, #KEYS / 2 do
    local fine, reply = pcall(load, KEYS[2 * at - 1], KEYS[2 * at], ARGV[2 * at + 1], ARGV[2 * at + 2])
    replies[at] = fine and reply or redis.error_reply(type(reply) == 'table' and reply.err or tostring(reply))
end
return replies
