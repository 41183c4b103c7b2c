-- Keeps what is being loaded at the moment from being stored: keys are about to be removed by a pattern.
-- KEYS[1]  the control state
-- KEYS[2]  its tags
-- KEYS[3]  the stream of changes; not where nobody can follow
-- ARGV[1]  the epoch that begins if there is none
-- ARGV[2]  how long both live, in milliseconds
-- ARGV[3]  what is told of a change: see control.lua
-- ARGV[7]  the pattern as it is told
-- ARGV[8]  `gate`, or `floor`: where the store cannot ask the gate, no entry of before holds
-- REPLY    the state
-- COST     O(1)
-- COMMANDS: GET
local state = advanced(1)
announce(3, 3, 'p' .. ARGV[7])
if not state then
    return text_of(begin(1, ARGV[1], clock(), ARGV[2]))
end
state[ARGV[8]] = state.now
keep(1, state, ARGV[2])
return text_of(state)
