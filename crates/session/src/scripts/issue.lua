-- Begins a family of refresh tokens for a session that is valid.
-- KEYS     the session, its user's index, the family, the index of the user's families
-- ARGV     the session's digest, the family's number (22 characters), the token's digest, for how long the family is valid unless it is used and at most
--          (milliseconds), the first 16 bytes of its scope's SHA-256, and what describes it
-- REPLY    until when it can be valid; the families that end because they are too many, and those that had ended and whose keys are still there; or 0, or a
--          digest, as `load.lua`
-- COST     O(families that ended since), at most 1,000
-- COMMANDS: HGET, SET, ZADD
local key, index, family, families = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local is_there, raw = found(key, index, ARGV[1])
if not is_there then
    return gone(key)
end
local most = now + tonumber(ARGV[5])
local till = math.min(now + tonumber(ARGV[4]), most)
local of = number_of(raw)
-- As many as are looked at when a login ends; of more the ones that were used least recently end.
local _, ended, struck = make_room(families, 999)
call('SET', family, family_of({ most = most, rotated = 0, uses = 0, of = of, scope = ARGV[6], current = ARGV[3], previous = NONE, salt = NO_SALT, rest = ARGV[7] }),
    'PXAT', decimal(till))
call('ZADD', families, decimal(till), ARGV[2] .. of)
outlive(families, till)
return { decimal(most), ended, struck }
