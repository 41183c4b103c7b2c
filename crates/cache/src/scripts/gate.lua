-- Keeps what is being loaded at the moment from being stored: keys are about to be removed by a pattern.
-- KEYS[1]  the control state
-- KEYS[2]  its tags
-- ARGV[1]  the epoch that begins if there is none
-- ARGV[2]  how long both live, in milliseconds
-- ARGV[3]  `gate`, or `floor`: where the store cannot ask the gate, no entry of before holds
-- REPLY    the state
-- COST     O(1)
-- COMMANDS: GET
local state = advanced(1)
if not state then
    return text_of(begin(1, ARGV[1], clock(), ARGV[2]))
end
state[ARGV[3]] = state.now
keep(1, state, ARGV[2])
return text_of(state)
