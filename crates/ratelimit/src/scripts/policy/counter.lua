-- What the windows that are one number have in common.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME

-- A cost where so much is counted and the window ends then: how long it does not fit, how much of it is charged, how much is counted then.
local function counted(count, limit, cost, force, ends)
    local wait
    if cost > 0 and count + cost > limit then
        if force then
            cost = math.max(0, math.min(cost, 2 * limit - count))
        else
            wait = cost > limit and NEVER or ends - now
        end
    end
    return wait, cost, math.max(0, count + cost)
end
