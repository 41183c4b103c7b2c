-- What is known of a value without its bytes.
-- KEYS[1]  the value
-- KEYS[2]  the control state; not where it lives in another slot
-- ARGV[1]  how many bytes an entry's head and tags have at most
-- REPLY    { server time, milliseconds that the value lives yet, its first bytes, state }
-- COST     O(1)
-- COMMANDS: GETRANGE, PTTL
local state = KEYS[2] and state_of(2)
local first = redis.pcall('GETRANGE', KEYS[1], 0, ARGV[1] - 1)
return {
    number(clock()),
    redis.call('PTTL', KEYS[1]),
    type(first) == 'string' and first or '',
    state and text_of(state) or '',
}
