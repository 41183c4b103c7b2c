-- 5: a log of what was charged when, in a sorted set of its own: members are '<cost>:<time>:<number>', scores the time.
-- State: 5, till, sum of the costs, how many there are, how many there were, when the last one was.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(entries), at most 1,000
-- COMMANDS: ZRANGEBYSCORE, ZCARD, ZADD, ZREMRANGEBYSCORE, DEL, PEXPIRE
kinds[5] = function(spec)
    local _, limit, window, slack = read('<Bddd', spec)

    local function cost_of(member)
        return tonumber(string.match(member, '^%d+'))
    end

    -- All that counts, oldest first: members and times. At most twice the limit.
    local function loaded(log)
        local found = call('ZRANGEBYSCORE', log, '(' .. decimal(now - window), '+inf', 'WITHSCORES')
        local members, times, total = {}, {}, 0
        for place = 1, #found, 2 do
            local at = #members + 1
            members[at], times[at] = found[place], math.min(now, tonumber(found[place + 1]))
            total = total + cost_of(found[place])
        end
        return members, times, total
    end

    local function stored(log, members, times)
        call('DEL', log)
        for at, member in ipairs(members) do
            call('ZADD', log, decimal(times[at]), member)
        end
    end

    return function(raw, cost, force, log)
        local till, total, size, next, last = 0, 0, 0, 0, 0
        if raw then
            _, till, total, size, next, last = read('<Bddddd', raw)
        end
        local gone = call('ZRANGEBYSCORE', log, '-inf', decimal(now - window))
        local members, times
        if last > now or call('ZCARD', log) ~= size then
            -- The clock was set back, or one of the two keys was evicted.
            members, times, total = loaded(log)
            size = #members
            last = times[size] or 0
        else
            for _, member in ipairs(gone) do
                total = total - cost_of(member)
            end
            size = size - #gone
        end
        local is_ahead = members ~= nil
        cost = still_counted(cost, now - window)
        local wait
        if cost > 0 and total + cost > limit then
            if force then
                cost = math.max(0, math.min(cost, 2 * limit - total))
            elseif cost > limit then
                wait = NEVER
            else
                if not members then
                    members, times = loaded(log)
                end
                local rest, at = total, 0
                while rest + cost > limit do
                    at = at + 1
                    rest = rest - cost_of(members[at])
                end
                wait = times[at] + window - now
            end
        end
        local idle_before = size > 0 and last + window - now or 0
        local after, idle, lives = total, idle_before, nil
        local effect
        if cost > 0 then
            after, idle = total + cost, window
            local member = string.format('%.0f:%.0f:%.0f', cost, now, next)
            effect = function()
                if is_ahead then
                    stored(log, members, times)
                elseif #gone > 0 then
                    call('ZREMRANGEBYSCORE', log, '-inf', decimal(now - window))
                end
                call('ZADD', log, decimal(now), member)
            end
            size, next, last = size + 1, next + 1, now
        elseif cost < 0 then
            if not members then
                members, times = loaded(log)
            end
            local back, at = -cost, 1
            while back > 0 and members[at] do
                local less = math.min(back, cost_of(members[at]))
                back, after = back - less, after - less
                if less < cost_of(members[at]) then
                    members[at] = decimal(cost_of(members[at]) - less)
                        .. string.match(members[at], ':.*')
                else
                    at = at + 1
                end
            end
            local kept, kept_times = {}, {}
            for place = at, #members do
                kept[#kept + 1], kept_times[#kept_times + 1] = members[place], times[place]
            end
            size = #kept
            last = kept_times[size] or 0
            idle = size > 0 and last + window - now or 0
            effect = function()
                stored(log, kept, kept_times)
            end
        end
        if cost == 0 and is_ahead then
            effect = function()
                stored(log, members, times)
            end
        end
        if idle > 0 and till < now + idle then
            till = now + idle + slack
            lives = till
        end
        -- The log lives as long as what is said of it.
        local done = effect
        if done or lives then
            effect = function()
                if done then
                    done()
                end
                call('PEXPIRE', log, decimal(ceil((till - now) / 1000)))
            end
        end
        return wait, write('<Bddddd', 5, till, after, size, next, last), limit, total, after, idle, idle_before, cost,
            lives, is_ahead, effect
    end
end
