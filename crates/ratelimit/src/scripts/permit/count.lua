-- How many permits are taken.
-- KEYS     the subject's permits
-- ARGV     none
-- REPLY    their number
-- COST     O(log permits)
-- COMMANDS: ZCOUNT
return call('ZCOUNT', KEYS[1], '(' .. decimal(now), '+inf')
