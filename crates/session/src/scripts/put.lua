-- Makes a session that is there hold just this, and be valid until then.
-- KEYS     the session, its user's index, and their etag
-- ARGV     its digest, for how long it is valid (milliseconds), then each field and its value
-- REPLY    1; or 0 if there is none
-- COST     O(fields), at most 1,000
-- COMMANDS: HGETALL, HSET, HDEL
local key, index, digest = KEYS[1], KEYS[2], ARGV[1]
local all = valid(index, digest) and call('HGETALL', key) or {}
local held, raw = {}, nil
for at = 1, #all, 2 do
    if all[at] == '' then
        raw = all[at + 1]
    else
        held[all[at]] = all[at + 1]
    end
end
if not raw then
    return 0
end
local head, till, sets, dels = header(raw), now + tonumber(ARGV[2]), {}, {}
for at = 3, #ARGV, 2 do
    if held[ARGV[at]] ~= ARGV[at + 1] then
        sets[#sets + 1] = ARGV[at]
        sets[#sets + 1] = ARGV[at + 1]
    end
    held[ARGV[at]] = nil
end
for field in pairs(held) do
    dels[#dels + 1] = field
end
head.seen, head.most, head.writes, head.written = now, till, head.writes + 1, now_exactly
sets[#sets + 1] = ''
sets[#sets + 1] = headed(head)
call('HSET', key, unpack(sets))
if #dels > 0 then
    call('HDEL', key, unpack(dels))
end
prolong(key, index, digest, till)
tag(index, KEYS[3], unique(''))
return 1
