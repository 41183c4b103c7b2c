-- Ends a subject's block, and forgets its denials and the blocks before.
-- KEYS     the subject's hash
-- ARGV     none
-- REPLY    1 if it was blocked, else 0
-- COST     O(1)
-- COMMANDS: HGET, HDEL
local was = blocked(call('HGET', KEYS[1], '!block')) > 0
call('HDEL', KEYS[1], '!block', '!denials')
return was and 1 or 0
