-- 4: a period of the calendar. Of three periods the caller says where each begins, and where the last one ends; the server's clock
-- says which it is. State: 4, till, count, begin.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
kinds[4] = function(spec)
    local _, limit, first, second, third, ends, slack = read('<Bdddddd', spec)
    local begins
    if now >= third then
        begins = third
    elseif now >= second then
        begins, ends = second, third
    else
        begins, ends = first, second
    end
    return function(raw, cost, force)
        local till, count, its, is_ahead = 0, 0, begins, false
        if raw then
            _, till, count, its = read('<Bddd', raw)
            if its < begins then
                count = 0
            end
            is_ahead = its > begins
        end
        cost = still_counted(cost, begins)
        local wait, charged, after = counted(count, limit, cost, force, ends)
        local lives
        if after > 0 and till < ends then
            till = ends + slack
            lives = till
        end
        return wait, write('<Bddd', 4, till, after, begins), limit, count, after, after > 0 and ends - now or 0,
            count > 0 and ends - now or 0, charged, lives, is_ahead
    end, now < first or now >= ends
end
