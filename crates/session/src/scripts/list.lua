-- The valid sessions of a user.
-- KEYS     the index
-- ARGV     none
-- REPLY    now; then of each, the one that was used last first, its digest and until when it is valid
-- COST     O(sessions), at most 1,000
-- COMMANDS: ZRANGEBYSCORE
local reply = { decimal(now) }
local valid = call('ZRANGEBYSCORE', KEYS[1], '(' .. decimal(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1000)
for at = #valid - 1, 1, -2 do
    reply[#reply + 1] = valid[at]
    reply[#reply + 1] = decimal(tonumber(valid[at + 1]))
end
return reply
