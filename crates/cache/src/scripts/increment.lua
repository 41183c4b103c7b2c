-- Adds to counters, each within the same bounds.
-- KEYS[i]    the counters
-- ARGV[1]    the least value
-- ARGV[2]    the most
-- ARGV[3]    how long a counter without a TTL lives from now on, in milliseconds
-- ARGV[3+i]  what is added to KEYS[i]
-- REPLY      for each key its value now, in decimal; an error where it holds no integer
-- COST       O(1) a key
-- COMMANDS: INCRBY, SET, PTTL, PEXPIRE
local least, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local replies = {}
for i, key in ipairs(KEYS) do
    local now = redis.pcall('INCRBY', key, ARGV[3 + i])
    if type(now) == 'number' then
        local bound = math.max(least, math.min(most, now))
        if bound ~= now then
            now = bound
            redis.call('SET', key, string.format('%.0f', now), 'KEEPTTL')
        end
        if redis.call('PTTL', key) == -1 then
            redis.call('PEXPIRE', key, ARGV[3])
        end
        now = string.format('%.0f', now)
    end
    replies[i] = now
end
return replies
