-- Begins a new epoch: no entry of before holds.
-- KEYS[1]  the control state
-- KEYS[2]  its tags
-- ARGV[1]  the epoch
-- ARGV[2]  how long both live, in milliseconds
-- REPLY    the state
-- COST     O(1)
-- COMMANDS: GET
local state = advanced(1)
local now = state and state.now or clock()
return text_of(begin(1, ARGV[1], now, ARGV[2]))
