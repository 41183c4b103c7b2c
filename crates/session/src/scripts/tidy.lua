-- What a user's index has that it need not have.
-- KEYS     the index, that of the user's families
-- ARGV     none
-- REPLY    the digests of sessions that had ended by themselves, of those that were ended and whose keys are still there, and of those that are valid; and the
--          families that were ended and whose keys are still there
-- COST     O(sessions + families), at most 1,000 of each
-- COMMANDS: ZRANGEBYSCORE
local over, _, struck = make_room(KEYS[1], math.huge)
local _, _, families = make_room(KEYS[2], math.huge)
return { over, struck, all_valid(KEYS[1]), families }
