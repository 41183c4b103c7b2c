-- Ends a family of refresh tokens, by any token of it.
-- KEYS     the family, the index of the user's families
-- ARGV     the family's number
-- REPLY    1 if it was valid, else 0
-- COST     O(1)
-- COMMANDS: ZREM, UNLINK
local one = family_in(KEYS[1], KEYS[2], ARGV[1])
if not one then
    return 0
end
end_family(KEYS[1], KEYS[2], one)
return 1
