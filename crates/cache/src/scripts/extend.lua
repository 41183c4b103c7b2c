-- Has an entry count as fresh from now on, if it is still the one that was seen.
-- KEYS[1]  the value
-- KEYS[2]  the stream of changes; not given where nobody need be told
-- ARGV[1]  its first bytes, up to where it says when it was stored
-- ARGV[2]  the byte of its flags
-- ARGV[3]  for how long it is fresh from when it was stored or extended, in milliseconds
-- ARGV[4]  how long it lives from now on, in milliseconds; empty: as long as it did
-- ARGV[5]  what is told of a change: see control.lua
-- ARGV[9]  the change
-- REPLY    1 if it was, else 0
-- COST     O(1)
-- COMMANDS: GETRANGE, SETRANGE, PEXPIRE
local seen = ARGV[1]
if redis.pcall('GETRANGE', KEYS[1], 0, #seen - 1) ~= seen then
    return 0
end
redis.call('SETRANGE', KEYS[1], 2, ARGV[2])
redis.call('SETRANGE', KEYS[1], 20, struct.pack('>I8I8', clock(), ARGV[3]))
if ARGV[4] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
announce(2, 5, ARGV[9])
return 1
