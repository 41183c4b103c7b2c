-- 3: a window of this length from the first call on. State: 3, till, count, begin.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
kinds[3] = function(spec)
    local _, limit, window, slack = read('<Bddd', spec)
    return function(raw, cost, force)
        local till, count, begins, is_ahead = 0, 0, 0, false
        if raw then
            _, till, count, begins = read('<Bddd', raw)
        end
        if begins > now then
            begins, is_ahead = now, true
        elseif begins + window <= now then
            count, begins = 0, now
        end
        cost = still_counted(cost, begins)
        local ends = begins + window
        local wait, charged, after = counted(count, limit, cost, force, ends)
        local lives
        if after == 0 then
            begins = 0
        elseif till < ends then
            till = ends + slack
            lives = till
        end
        return wait, write('<Bddd', 3, till, after, begins), limit, count, after, after > 0 and ends - now or 0,
            count > 0 and ends - now or 0, charged, lives, is_ahead
    end
end
