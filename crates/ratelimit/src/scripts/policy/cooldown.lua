-- 6: one call, of whatever cost, and then none for so long. What is given back does not end it. State: 6, till, until.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
kinds[6] = function(spec)
    local _, lasts, slack = read('<Bdd', spec)
    return function(raw, cost, force)
        local till, free, is_ahead = 0, 0, false
        if raw then
            _, till, free = read('<Bdd', raw)
            if free > now + lasts then
                free, is_ahead = now + lasts, true
            end
        end
        local wait
        local left = math.max(0, free - now)
        local idle = left
        if cost > 0 then
            if left > 0 and not force then
                wait = left
            end
            free, idle = now + lasts, lasts
        end
        local lives
        if idle > 0 and till < free then
            till = free + slack
            lives = till
        end
        return wait, write('<Bdd', 6, till, free), 1, left > 0 and 1 or 0, idle > 0 and 1 or 0, idle, left, cost, lives, is_ahead
    end
end
