-- What is counted of a subject, by all policies of a set; nothing is charged.
-- KEYS     the subject's hash, and the sorted set of each log among its policies
-- ARGV     one set of policies, as `look.lua` has it
-- REPLY    '<dd': for how many microseconds it is blocked, and the server's time; then of each policy '<ddd': limit, counted,
--          microseconds until nothing is. Nothing if the periods of the calendar are others: the server's time alone, '<d'.
-- COST     O(policies)
-- COMMANDS: HGET, HGETALL, HMGET, PTTL, TYPE, ZRANGEBYSCORE, ZCARD
local set = sets[1]
if set.is_stale then
    return { write('<d', now) }
end
local one = { key = KEYS[1], place = 1, set = set, first = 0, blocked = 0 }
local failed = look(one)
if failed then
    return failed
end
evaluate(one, 0)
local replies = { write('<dd', one.blocked, now) }
for at = 1, set.size do
    replies[at + 1] = write('<ddd', limits[at], befores[at], idles_before[at])
end
return replies
