-- Creates a session, and ends those of its user that are too many.
-- KEYS     the session, its user's index, when the user's sessions were revoked, the index of the user's families of refresh tokens, and their etag
-- ARGV     its digest, for how long it is valid unless it is used and at most (milliseconds), how many its user may have, since when all of them must not have been
--          revoked (microseconds, '' for ever), its internal number and what describes it; '<dddd' of when it was created, until when it can be extended, how often it
--          was written and until when it is valid ('' for a new one); 'x' if it must not be there, 'n' if no other must; the family that must be valid ('' for none); what nobody else says, for an etag; then each
--          field and its value
-- REPLY    its first field, and until when it is valid; then the digests of those that had ended by themselves, of those that end now, and of
--          those whose keys are still there, and the etag; or 0 if all were revoked meanwhile or the family has ended, or 1 if it is there
-- COST     O(sessions that ended since + fields), at most 1,000 sessions
-- COMMANDS: ZREM, HGET, HSET, UNLINK
local key, index, digest, idle, most, many = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if revoked_since(KEYS[3], ARGV[5]) or (ARGV[9] ~= '' and not valid(KEYS[4], ARGV[9])) then
    return 0
end
local there = call('HGET', key, '')
if there and string.byte(there, 2) == ENDED and sub(there, 3) == sub(ARGV[6], 1, 16) then
    return 0
end
-- Who asks again is told the same.
local is_ours = there and ARGV[8] == 'n' and number_of(there) == sub(ARGV[6], 1, 16)
if there and ARGV[8] ~= '' and not is_ours and valid(index, digest) then
    return 1
end
call('UNLINK', key)
-- Who asks again, because the reply was lost, is not one more.
call('ZREM', index, digest)
local head = { created = now, seen = now, most = now + most, writes = 0, written = now_exactly, rest = ARGV[6] }
local till = math.min(now + idle, head.most)
if ARGV[7] ~= '' then
    head.created, head.most, head.writes, till = read('<dddd', ARGV[7])
end
local fields = { '', headed(head) }
for at = 11, #ARGV do
    fields[#fields + 1] = ARGV[at]
end
call('HSET', key, unpack(fields))
-- This one comes after them.
local over, ended, struck = make_room(index, many - 1)
prolong(key, index, digest, till)
return { fields[2], decimal(till), over, ended, struck, tag(index, KEYS[5], unique(ARGV[10])) }
