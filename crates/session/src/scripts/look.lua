-- What describes sessions.
-- KEYS     the sessions
-- ARGV     none
-- REPLY    of each its first field, or false
-- COST     O(sessions), at most 500
-- COMMANDS: HGET
local replies = {}
for at, key in ipairs(KEYS) do
    replies[at] = call('HGET', key, '')
end
return replies
