-- Takes a place if there is one.
-- KEYS     the subject's permits, by when each ends
-- ARGV     the limit, how long a permit lasts in microseconds, the permit's id, which ends with a ':' and that
-- REPLY    whether it was taken, how many are, and microseconds until the first of them ends unless it is renewed
-- COST     O(ended permits), O(permits) after the clock was set back
-- COMMANDS: ZREMRANGEBYSCORE, ZCARD, ZADD, ZRANGE, ZRANGEBYSCORE, ZSCORE, PEXPIRE, PTTL
local key, limit, lasts = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
call('ZREMRANGEBYSCORE', key, '-inf', decimal(now))
-- The clock was set back: a permit lasts no longer than one of its kind that is taken now.
for _, id in ipairs(call('ZRANGEBYSCORE', key, '(' .. decimal(now + lasts), '+inf', 'LIMIT', 0, 1000)) do
    local its = tonumber(string.match(id, ':(%d+)$')) or lasts
    if tonumber(call('ZSCORE', key, id)) > now + its then
        call('ZADD', key, decimal(now + its), id)
    end
end
local taken = call('ZCARD', key)
local granted = 0
if taken < limit then
    call('ZADD', key, decimal(now + lasts), ARGV[3])
    keep(key, taken == 0, now + lasts)
    granted, taken = 1, taken + 1
end
local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
return { granted, taken, first[2] and math.max(0, first[2] - now) or 0 }
