-- Takes a refresh token, and gives the next one for it. One that was given before, to who lost the reply or to another tab, is given again, for a while and as long as it
-- was not used; anything else that is not the token that is good was stolen, by this caller or by the one before, and ends the family.
-- KEYS     the family, the index of the user's families, when the user's sessions were revoked
-- ARGV     the family's number, the token's digest, the scope, the digest of the token that would be next, with what that is made (20 bytes), for how long it is given
--          again, and for how long the family is valid unless it is used (milliseconds)
-- REPLY    what it was: 1 the good one, 2 the one before, 3 neither, 4 of another scope; what describes the family; with what the next one is made;
--          how often it was used; the internal number of its session; since when the user's sessions must not have been revoked (microseconds); or 0 if there is none
-- COST     O(1)
-- COMMANDS: ZADD, SET
local key, families, number, presented = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local one = family_in(key, families, number)
if not one then
    return 0
end
local function told(what)
    return { what, one.rest, one.salt, decimal(one.uses), one.of, after_revoked(KEYS[3]) }
end
local is_good = presented == one.current
-- A server whose clock was set back does not give for longer.
local is_before = presented == one.previous and math.abs(now - one.rotated) <= tonumber(ARGV[6])
if not is_good and not is_before then
    end_family(key, families, one)
    return told('3')
end
if one.scope ~= ARGV[3] then
    return told('4')
end
if is_before then
    return told('2')
end
one.previous, one.current, one.salt, one.rotated, one.uses = presented, ARGV[4], ARGV[5], now, one.uses + 1
local till = math.min(now + tonumber(ARGV[7]), one.most)
call('SET', key, family_of(one), 'PXAT', decimal(till))
call('ZADD', families, decimal(till), one.member)
outlive(families, till)
return told('1')
