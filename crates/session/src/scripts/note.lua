-- Names a session in its user's index, before it is created elsewhere; and those that are too many end.
-- KEYS     the index of the user's sessions that are elsewhere, when the user's sessions were revoked
-- ARGV     the session's digest and its internal number, for how long it is valid at most (milliseconds), how many its user may have, since when all of them must not have been revoked
--          (microseconds, '' for ever)
-- REPLY    the names of those that had ended by themselves, of those that end now, and of those that had been ended before; or 0 if all were revoked meanwhile
-- COST     O(sessions that ended since), at most 1,000 sessions
-- COMMANDS: ZREM, ZADD
local index, name = KEYS[1], ARGV[1]
if revoked_since(KEYS[2], ARGV[4]) then
    return 0
end
call('ZREM', index, name)
local over, ended, struck = make_room(index, tonumber(ARGV[3]) - 1)
local till = now + tonumber(ARGV[2])
call('ZADD', index, decimal(till), name)
outlive(index, till)
return { over, ended, struck }
