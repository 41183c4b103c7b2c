-- 1: a token bucket in whole numbers. A token weighs `one`, and `rate` leaks in a tick of so many microseconds: both so chosen that
-- neither rounds. State: 1, till, used, last, one.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: TIME
kinds[1] = function(spec)
    local _, limit, one, rate, tick, slack = read('<Bddddd', spec)
    local full = limit * one
    local drains = ceil(full / rate) * tick

    -- How much of a cost that is given back still counts: what cannot have leaked since it was charged. More may count, of a bucket that was
    -- not empty meanwhile, but what leaked in its place was somebody's who may give it back as well.
    local function still_used(cost)
        local leaked = ceil((now - charged_at) / tick) * rate
        return -math.max(0, floor((-cost * one - leaked) / one))
    end

    return function(raw, cost, force)
        local till, used, last, is_ahead = 0, 0, now, false
        if raw then
            local its
            _, till, used, last, its = read('<Bdddd', raw)
            if its ~= one then
                used = ceil(used / its * one)
            end
            if used > 2 * full then
                used = 2 * full
            end
            if last < now then
                local ticks = floor((now - last) / tick)
                used = used - ticks * rate
                last = last + ticks * tick
            else
                is_ahead = last > now
                last = now
            end
            if used <= 0 then
                used, last = 0, now
            end
        end
        if cost < 0 and charged_at > 0 and charged_at <= now then
            cost = still_used(cost)
        end
        local wait
        local weight = used + cost * one
        if cost > 0 and weight > full then
            if not force then
                if cost > limit then
                    wait = NEVER
                else
                    wait = ceil((weight - full) / rate) * tick - (now - last)
                end
            elseif weight > 2 * full then
                cost = floor((2 * full - used) / one)
                weight = used + cost * one
            end
        end
        local idle_before = used > 0 and ceil(used / rate) * tick - (now - last) or 0
        if weight <= 0 then
            weight, last = 0, now
        end
        local idle = ceil(weight / rate) * tick - (now - last)
        local lives
        if idle > 0 and till < now + idle then
            till = now + (idle > drains and idle or drains) + slack
            lives = till
        end
        return wait, write('<Bdddd', 1, till, weight, last, one), limit, ceil(used / one), ceil(weight / one), idle,
            idle_before, cost, lives, is_ahead
    end
end
