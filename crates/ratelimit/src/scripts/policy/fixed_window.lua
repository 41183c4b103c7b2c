-- 3: a window of this length from the first call on. State: 3, till, count, end.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
kinds[3] = function(spec)
    local _, limit, window, slack = read('<Bddd', spec)
    return function(raw, cost, force)
        local till, count, ends, is_ahead = 0, 0, 0, false
        if raw then
            _, till, count, ends = read('<Bddd', raw)
        end
        if ends <= now then
            count, ends = 0, now + window
        elseif ends > now + window then
            ends, is_ahead = now + window, true
        end
        cost = still_counted(cost, ends - window)
        local wait, charged, after = counted(count, limit, cost, force, ends)
        local lives
        if after == 0 then
            ends = 0
        end
        if till < ends then
            till = ends + slack
            lives = till
        end
        return wait, write('<Bddd', 3, till, after, ends), limit, count, after, after > 0 and ends - now or 0,
            count > 0 and ends - now or 0, charged, lives, is_ahead
    end
end
