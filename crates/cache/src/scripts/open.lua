-- The control state, made if it is gone, and without its tags no entry of before holds; kept alive.
-- KEYS[1]  the control state
-- KEYS[2]  its tags
-- ARGV[1]  the epoch that begins if there is none
-- ARGV[2]  how long both live, in milliseconds
-- REPLY    { server time, state }
-- COST     O(1)
-- COMMANDS: GET
local state = state_of(1)
if not state then
    state = begin(1, ARGV[1], clock(), ARGV[2])
elseif not has_tags(2, state) then
    state = advanced(1)
    state.floor = state.now
    begin_tags(2, state, ARGV[2])
end
keep(1, state, ARGV[2])
return { number(clock()), text_of(state) }
