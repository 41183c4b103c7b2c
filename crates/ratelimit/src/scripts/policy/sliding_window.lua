-- 2: a sliding window of `count` sub-windows and the one that is partly covered: counted whole, or, interpolated, by as much of it as
-- is covered. State: 2, till, width, head, total, of the head; then, of each sub-window before that counted anything, oldest first,
-- its number modulo 65536 and how much it counted.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1); of a denial, and after the clock was set back, O(sub-windows)
-- COMMANDS: TIME
kinds[2] = function(spec)
    local _, limit, width, count, is_smooth, slack = read('<Bddddd', spec)
    local at = floor(now / width)

    -- How much of all that counts does so at the moment.
    local function counted_of(before, total)
        if is_smooth == 1 and before ~= '' then
            local number, counted = read('<I2I6', before)
            if (at - number) % 65536 == count then
                return total - floor(counted * (now - at * width) / width)
            end
        end
        return total
    end

    -- The same sub-windows by other numbers: those of another width, or of a clock that was set back.
    local function renumbered(raw, from, number)
        local pairs, total, last, sum = {}, 0, nil, 0
        local function keep(its, counted)
            if at - its <= count then
                total = total + counted
                if its == last then
                    sum = sum + counted
                    return
                end
                if last then
                    pairs[#pairs + 1] = write('<I2I6', last % 65536, sum)
                end
                last, sum = its, counted
            end
        end
        local _, _, _, head, _, of_head = read('<Bddddd', raw)
        for place = from, #raw, 8 do
            local its, counted = read('<I2I6', raw, place)
            keep(number(head - (head - its) % 65536), counted)
        end
        keep(number(head), of_head)
        if last == at then
            return table.concat(pairs), total, sum
        end
        if last then
            pairs[#pairs + 1] = write('<I2I6', last % 65536, sum)
        end
        return table.concat(pairs), total, 0
    end

    return function(raw, cost, force)
        local till, total, of_head, before, is_ahead = 0, 0, 0, '', false
        if raw then
            local its, head
            _, till, its, head, total, of_head = read('<Bddddd', raw)
            if its ~= width then
                before, total, of_head = renumbered(raw, 42, function(number)
                    local number = floor(((number + 1) * its - 1) / width)
                    return number > at and at or number
                end)
            elseif head > at then
                is_ahead = true
                before, total, of_head = renumbered(raw, 42, function(number)
                    return number - (head - at)
                end)
            elseif at - head > count then
                total, of_head = 0, 0
            else
                local from = 42
                while from <= #raw do
                    local number, counted = read('<I2I6', raw, from)
                    if (at - number) % 65536 <= count then
                        break
                    end
                    total = total - counted
                    from = from + 8
                end
                before = sub(raw, from)
                if of_head > 0 and head < at then
                    before = before .. write('<I2I6', head % 65536, of_head)
                    of_head = 0
                end
            end
        end
        cost = still_counted(cost, (at - count) * width)
        local counts = counted_of(before, total)
        local wait
        if cost > 0 and counts + cost > limit then
            if force then
                cost = math.min(cost, math.max(0, 2 * limit - total, limit - counts))
            elseif cost > limit then
                wait = NEVER
            else
                -- Which sub-window has to go, oldest first, so that the rest leaves room.
                local rest, number, counted, place = total, at, of_head, 1
                while place <= #before do
                    number, counted, place = read('<I2I6', before, place)
                    number = at - (at - number) % 65536
                    rest = rest - counted
                    if rest + cost <= limit then
                        break
                    end
                    number, counted = at, of_head
                end
                if rest + cost > limit then
                    rest = rest - counted
                end
                local ends = (number + count + 1) * width
                if is_smooth == 1 then
                    ends = ends - floor((limit - cost - rest) * width / counted)
                end
                wait = ends - now
            end
        end
        local idle_before = 0
        if of_head > 0 then
            idle_before = (at + count + 1) * width - now
        elseif before ~= '' then
            local number = read('<I2', before, #before - 7)
            idle_before = (at - (at - number) % 65536 + count + 1) * width - now
        end
        local idle = idle_before
        local now_before, now_total, now_of_head = before, total, of_head
        if cost > 0 then
            idle = (at + count + 1) * width - now
            now_total, now_of_head = total + cost, of_head + cost
        elseif cost < 0 then
            -- Given back to the oldest, which goes first.
            local back = -cost
            local place = 1
            while back > 0 and place <= #before do
                local number, counted, next = read('<I2I6', before, place)
                local less = math.min(back, counted)
                back, now_total = back - less, now_total - less
                if less < counted then
                    now_before = write('<I2I6', number, counted - less) .. sub(before, next)
                    place = nil
                    break
                end
                place = next
            end
            if place then
                now_before = sub(before, place)
            end
            local less = math.min(back, of_head)
            now_total, now_of_head = now_total - less, of_head - less
            if now_total == 0 then
                idle = 0
            end
        end
        local lives
        if idle > 0 and till < now + idle then
            till = now + idle + slack
            lives = till
        end
        local after = cost > 0 and counts + cost or counted_of(now_before, now_total)
        return wait, write('<Bddddd', 2, till, width, at, now_total, now_of_head) .. now_before, limit, counts, after, idle, idle_before, cost, lives, is_ahead
    end
end
