-- Stores a loaded value, if the lease under which it was loaded is still there: whatever changed the value ended it.
-- KEYS[1]  the value
-- KEYS[2]  its lease
-- KEYS[3]  the control state, and
-- KEYS[4]  its tags, and
-- KEYS[5]  the stream of changes; none of them where they live in another slot, or the cache has none
-- ARGV[1]  the token of who loaded
-- ARGV[2]  how long the value lives, in milliseconds
-- ARGV[3]  the channel on which those who wait are woken
-- ARGV[4]  what wakes them
-- ARGV[5]  the entry's head, empty for an entry without one
-- ARGV[6]  the epoch, and
-- ARGV[7]  the stamp under which it was loaded
-- ARGV[8]  the rest of the entry; one that has a version is not stored where a newer one is
-- ARGV[9]  what is told of a change: see control.lua
-- ARGV[13] the change; told if a value was replaced
-- REPLY    { 1 if it was stored, else 0; the state, empty where it was not given }
-- COST     O(1)
-- COMMANDS: EXISTS, GET, GETRANGE, SET, DEL, PUBLISH
local state = KEYS[3] and state_of(3)
local text = state and text_of(state) or ''
local holder = redis.call('GET', KEYS[2])
if holder ~= ARGV[1] and holder ~= ARGV[1] .. '+' then
    -- Whoever waited for it may not have been told.
    redis.call('PUBLISH', ARGV[3], ARGV[4])
    return { 0, text }
end
-- What was under way when keys were removed by a pattern is not stored, nor what nobody would take for valid.
local stamp = tonumber(ARGV[7])
local holds = not KEYS[3] or
    (state and number(state.epoch) == ARGV[6] and state.floor <= stamp and state.gate <= stamp)
local version = version_of(ARGV[5], ARGV[8], 28)
if version then
    local there = version_at(1, KEYS[3] and ARGV[6])
    holds = holds and not (there and there > version)
end
if holds then
    -- Where there was none, nobody has it in their memory.
    if redis.call('EXISTS', KEYS[1]) == 1 then
        announce(5, 9, ARGV[13])
    end
    redis.call('SET', KEYS[1], entry(ARGV[5], ARGV[6], ARGV[7], ARGV[8]), 'PX', ARGV[2])
end
redis.call('DEL', KEYS[2])
if holder ~= ARGV[1] then
    redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return { holds and 1 or 0, text }
