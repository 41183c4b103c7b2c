-- Begins a new epoch: no entry of before holds.
-- KEYS[1]  the control state
-- KEYS[2]  its tags
-- KEYS[3]  the stream of changes; not where nobody can follow
-- ARGV[1]  the epoch
-- ARGV[2]  how long both live, in milliseconds
-- ARGV[3]  what is told of a change: see control.lua
-- REPLY    the state
-- COST     O(1)
-- COMMANDS: GET
local state = advanced(1)
local now = state and state.now or clock()
announce(3, 3, 'a')
return text_of(begin(1, ARGV[1], now, ARGV[2]))
