-- Takes sessions out of their user's index.
-- KEYS     the index
-- ARGV     their names
-- REPLY    how many it named
-- COST     O(names), at most 500
-- COMMANDS: ZREM
return call('ZREM', KEYS[1], unpack(ARGV))
