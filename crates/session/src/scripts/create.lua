-- Creates a session, and ends those of its user that are too many.
-- KEYS     the session, its user's index
-- ARGV     its digest, for how long it is valid unless it is used and at most (milliseconds), how many its user may have, its
--          internal number and what describes it, then each field and its value
-- REPLY    now, until when it is valid, and until when it can be extended; then the digests of those that were ended
-- COST     O(sessions that ended since + fields), at most 1,000 sessions
-- COMMANDS: ZREMRANGEBYSCORE, ZREM, ZCARD, ZPOPMIN, HSET
local key, index, digest, idle, most, many = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
call('ZREMRANGEBYSCORE', index, '-inf', decimal(now))
-- Who asks again, because the reply was lost, is not one more.
call('ZREM', index, digest)
local head = { created = now, seen = now, most = now + most, writes = 0, rest = ARGV[5] }
local fields = { '', headed(head) }
for at = 6, #ARGV do
    fields[#fields + 1] = ARGV[at]
end
call('HSET', key, unpack(fields))
local till = math.min(now + idle, head.most)
local reply = { decimal(now), decimal(till), decimal(head.most) }
-- The ones that were used least recently go; this one comes after them.
while call('ZCARD', index) >= many do
    reply[#reply + 1] = call('ZPOPMIN', index)[1]
end
prolong(key, index, digest, till)
return reply
