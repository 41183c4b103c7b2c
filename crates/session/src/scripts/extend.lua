-- Makes a session last longer.
-- KEYS     the session, its user's index, and their etag
-- ARGV     its digest, and for how long from now (milliseconds)
-- REPLY    until when it is valid; or 0, or a digest, as `load.lua`
-- COST     O(1)
-- COMMANDS: HGET, HSET
local key, index, digest = KEYS[1], KEYS[2], ARGV[1]
local till, raw = found(key, index, digest)
if not till then
    return gone(key)
end
local head = header(raw)
till = math.max(till, math.min(now + tonumber(ARGV[2]), head.most))
head.seen = now
forget(KEYS[3])
call('HSET', key, '', headed(head))
prolong(key, index, digest, till)
return { decimal(till) }
