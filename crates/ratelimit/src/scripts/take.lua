-- Charges subjects by one policy, where there is nothing else to know: what nearly all calls are. Not by a log, nor by the calendar.
-- KEYS     the subjects' hashes
-- ARGV     the policy's name and settings; then of each call its cost, if they are not all 1
-- REPLY    of each call as `decide.lua` says; empty where only that can tell
-- COST     O(calls), at most 64
-- COMMANDS: HGET, HSET, PTTL, PEXPIRE
local name, spec = ARGV[1], ARGV[2]
local kind = byte(spec)
local run = kinds[kind](spec)
local replies = {}
for index = 1, #KEYS do
    local key = KEYS[index]
    local raw = pcall('HGET', key, name)
    -- A string has no `err`, a table that says why there is none has.
    if raw and (raw.err or byte(raw) ~= kind) or not raw and call('PTTL', key) ~= -2 then
        replies[index] = ''
    else
        local cost = tonumber(ARGV[index + 2] or 1)
        local wait, state, limit, before, after, idle, idle_before, _, lives, is_ahead = run(raw, cost)
        if raw and (is_ahead or lives) and (wait or cost == 0) then
            -- The clock was set back, or the window has become longer: also who is charged nothing is stored as of now.
            local _, as_of_now, _, _, _, _, _, _, lives = run(raw, 0)
            if is_ahead or lives then
                call('HSET', key, name, as_of_now)
            end
            if lives then
                keep(key, false, lives)
            end
        end
        if wait then
            local never = wait == NEVER
            replies[index] = write('<BBBdddddd', never and 2 or 0, 1, 0, limit, before, 0, never and 0 or wait, idle_before, now)
        else
            if cost > 0 then
                call('HSET', key, name, state)
                if lives then
                    keep(key, not raw, lives)
                end
            end
            replies[index] = write('<BBBdddddd', 1, 1, 0, limit, after, cost, 0, idle, now)
        end
    end
end
return replies
