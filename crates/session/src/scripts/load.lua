-- Reads sessions, and makes those that are used last longer.
-- KEYS     of each call the session, its user's index
-- ARGV     for how long a session is valid unless it is used (milliseconds), and how much of that must be over before it is written down again that it was;
--          then of each call its digest
-- REPLY    of each until when it is valid and all its fields; or 0 if there is none; or the digest of the one that it is now
-- COST     O(fields), at most 64 sessions
-- COMMANDS: HGETALL
local idle, slack, replies = tonumber(ARGV[1]), tonumber(ARGV[2]), {}

local function load(key, index, digest)
    local till = valid(index, digest)
    if not till then
        return gone(key)
    end
    if now + idle - till >= slack then
        local raw = call('HGET', key, '')
        if not raw then
            return 0
        end
        local head = header(raw)
        local later = math.min(now + idle, head.most)
        if later > till then
            head.seen, till = now, later
            call('HSET', key, '', headed(head))
            prolong(key, index, digest, till)
        end
    end
    local all = call('HGETALL', key)
    if #all == 0 then
        return 0
    end
    all[#all + 1] = decimal(till)
    return all
end

for at = 1, #KEYS / 2 do
    local fine, reply = pcall(load, KEYS[2 * at - 1], KEYS[2 * at], ARGV[2 + at])
    replies[at] = fine and reply or redis.error_reply(type(reply) == 'table' and reply.err or tostring(reply))
end
return replies
