-- What has changed since a process that keeps values in its memory asked last; the stream of changes is begun if it is gone, and
-- kept alive.
-- KEYS[1]  the stream of changes
-- ARGV[1]  the last change that is known, empty if none is
-- ARGV[2]  how long the stream lives, in milliseconds
-- REPLY    { the last change, who made each change since and what it was }; false for the changes where they are not all there
-- COST     O(n) of n changes since, at most 1,000
-- COMMANDS: XADD, XREVRANGE, XRANGE, PEXPIRE
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then
    local first = number(math.floor(clock() / 1000)) .. '-1'
    redis.call('XADD', KEYS[1], first, 'by', '', 'change', '')
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return { first, false }
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local id = last[1]
if id == ARGV[1] then
    return { id, {} }
end
local life, number_of = string.match(id, '^(%d+)-(%d+)$')
local known_life, known = string.match(ARGV[1], '^(%d+)-(%d+)$')
local missed = life == known_life and number_of - known or 0
if missed < 1 or missed > 1000 then
    return { id, false }
end
local changes = {}
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')
if #found ~= missed then
    return { id, false }
end
for i, entry in ipairs(found) do
    changes[2 * i - 1], changes[2 * i] = entry[2][2], entry[2][4]
end
return { id, changes }
