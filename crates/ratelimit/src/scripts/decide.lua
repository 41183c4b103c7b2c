-- Decides for several subjects, each by all policies of a set, all or nothing, and charges what is allowed.
-- KEYS       of each call the subject's hash, and the sorted set of each log among its policies
-- ARGV       sets of policies, as `look.lua` has them
-- ARGV       then of each call its mode, its set and its cost: 'c', a byte, a decimal number; of what is given back also
--            '@' and when it was charged, and policies give nothing back that they do not count any more. Modes: c all of it or nothing, u as much
--            as fits, r whatever the limit, p the same and a denial; in capitals: one decision with the call that follows
-- REPLY      of each call '<BBBdddddd': a verdict (0 denied, 1 allowed, 2 never, 3 blocked, 4 the periods of the calendar are others,
--            5 this one would pass, but another subject's does not); which policy it is about; which watching one would deny, with 128
--            added if there is more to know of the subject; limit,
--            counted, charged, microseconds until it may pass, until nothing is counted, and the server's time. An error where the
--            key holds something else.
-- COST       O(calls × policies), at most 64 calls
-- COMMANDS: HGET, HMGET, HSET, HDEL, HGETALL, PTTL, PEXPIRE, TYPE, ZRANGEBYSCORE, ZCARD, ZADD, ZREMRANGEBYSCORE, DEL
local DENIED, ALLOWED, IMPOSSIBLE, BLOCKED, STALE, HELD_BACK = 0, 1, 2, 3, 4, 5


-- How much of a cost all its policies have room for; at least 1, for which there may be none.
local function room(one)
    local cost = one.asks
    evaluate(one, 0)
    for at = 1, one.set.size do
        -- A cooldown does not mind how much.
        if not one.set[at].watches and one.set[at].kind ~= 6 then
            cost = math.min(cost, limits[one.first + at] - befores[one.first + at])
        end
    end
    return math.max(1, cost)
end

-- Nothing is given back to who was charged nothing, or of what has ceased to count, and what costs nothing changes nothing, unless the
-- clock was set back or a window has become longer.
local function is_to_be_stored(one, place)
    return one.cost > 0 or (states[place] and (charges[place] < 0 or aheads[place] or lives[place]))
end

-- Stores what was evaluated.
local function charge(one)
    local key, set, first = one.key, one.set, one.first
    if set.size == 1 and not set.logs and not one.is_marked then
        -- What nearly all calls are.
        local place = first + 1
        if waits[place] or not is_to_be_stored(one, place) then
            return
        end
        call('HSET', key, set[1].name, after_states[place])
        if lives[place] then
            keep(key, one.is_new, lives[place])
        end
        return
    end
    local till, fields = 0, {}
    for at = 1, set.size do
        local place = first + at
        -- One that only watches counts what it would have let pass.
        if not waits[place] and is_to_be_stored(one, place) then
            local state = after_states[place]
            if one.is_marked then
                state = string.char(byte(state) + 128) .. sub(state, 2)
            end
            fields[#fields + 1] = set[at].name
            fields[#fields + 1] = state
            if lives[place] and lives[place] > till then
                till = lives[place]
            end
        end
    end
    if #fields == 0 then
        return
    end
    call('HSET', key, unpack(fields))
    if till > 0 then
        keep(key, one.is_new, till)
    end
    for at in pairs(set.logs or {}) do
        local place = first + at
        if effects[place] and not waits[place] then
            effects[place]()
        end
    end
end

-- Stores as of now what is ahead of a clock that was set back, or it would be so until the clock has caught up; and what has to live
-- longer than it was meant to, because its window has become longer, also if nothing is charged.
local function take_as_now(one)
    local cost = one.cost
    evaluate(one, 0)
    charge(one)
    for place = one.first + 1, one.first + one.set.size do
        states[place] = after_states[place]
    end
    evaluate(one, cost, one.forces)
end

-- Counts a denial; for how long that leads to a block.
local function escalate(one)
    local after, within, lasts, factor, most, forget = read('<dddddd', one.set.says, one.set.size + 2)
    local field = call('HGET', one.key, '!denials')
    local denials, ends = 0, now + within
    if field then
        local _, counted, its = read('<Bdd', field)
        if its > now and its <= now + within then
            denials, ends = counted, its
        end
    end
    local is_new = not field and call('PTTL', one.key) == -2
    if denials + 1 < after then
        call('HSET', one.key, '!denials', write('<Bdd', 1, denials + 1, ends))
        keep(one.key, is_new, ends)
        return 0
    end
    call('HDEL', one.key, '!denials')
    -- What is charged after this says so too.
    one.is_marked = true
    return block(one.key, lasts, factor, most, forget)
end

-- Whether its own policies deny a call, and not for ever.
local function is_denied(one)
    if one.forces or one.blocked > 0 then
        return false
    end
    for at = 1, one.set.size do
        local wait = waits[one.first + at]
        if wait and wait ~= NEVER and not one.set[at].watches then
            return true
        end
    end
    return false
end

-- The reply to one call of a decision, charged or not.
local function reply(one, is_charged)
    local set, first = one.set, one.first
    if one.blocked > 0 and not one.forces then
        return write('<BBBdddddd', BLOCKED, 0, 0, 0, 0, 0, one.blocked, one.blocked, now)
    end
    local told, wait, watching = 1, -1, 0
    local verdict = is_charged and ALLOWED or HELD_BACK
    local least
    for at = 1, set.size do
        local place = first + at
        local its = waits[place]
        if its and set[at].watches then
            watching = watching == 0 and at or watching
        elseif its then
            if its > wait then
                told, wait = at, its
            end
            verdict = its == NEVER and IMPOSSIBLE or (verdict == IMPOSSIBLE and verdict or DENIED)
        elseif wait < 0 and not set[at].watches then
            local left = limits[place] - (is_charged and afters[place] or befores[place])
            if not least or left < least then
                told, least = at, left
            end
        end
    end
    local charged = 0
    if is_charged then
        charged = one.cost
        for place = first + 1, first + set.size do
            charged = math.min(charged, charges[place])
        end
    end
    if verdict == DENIED and one.escalated then
        wait = math.max(wait, one.escalated)
    end
    local place = first + told
    return write('<BBBdddddd', verdict, told, watching + (one.is_marked and 128 or 0), limits[place], is_charged and afters[place] or befores[place],
        charged, verdict == DENIED and wait or one.escalated or 0, is_charged and idles[place] or idles_before[place], now)
end

-- One decision over the calls that are listed.
local function decide(count, replies)
    local passes = true
    for index = 1, count do
        local one = calls[index]
        if one.set.is_stale then
            for at = 1, count do
                replies[#replies + 1] = write('<BBBdddddd', STALE, 0, 0, 0, 0, 0, 0, 0, now)
            end
            return
        end
        local failed = look(one)
        if failed then
            for at = 1, count do
                replies[#replies + 1] = failed
            end
            return
        end
        if one.mode == 'u' then
            evaluate(one, room(one))
        else
            evaluate(one, one.asks, one.forces)
        end
        if one.is_ahead or one.outlives then
            take_as_now(one)
        end
        if not one.forces then
            passes = passes and one.blocked == 0
            for at = 1, one.set.size do
                passes = passes and (not waits[one.first + at] or one.set[at].watches)
            end
        end
    end
    for index = 1, count do
        local one = calls[index]
        if passes then
            charge(one)
            if one.mode == 'p' and one.set.options >= 2 and one.blocked == 0 then
                one.escalated = escalate(one)
            end
        elseif one.set.options > 0 and is_denied(one) then
            if one.set.options >= 2 then
                one.escalated = escalate(one)
            end
            if one.set.options % 2 == 1 then
                evaluate(one, one.cost, true)
                charge(one)
                for at = one.first + 1, one.first + one.set.size do
                    states[at] = after_states[at]
                end
                evaluate(one, one.cost)
            end
        end
        replies[#replies + 1] = reply(one, passes)
    end
end

local replies, count, first, place = {}, 0, 0, 1
local last_says, mode, joins, cost, set, when
for at = argument, #ARGV do
    local says = ARGV[at]
    if says ~= last_says then
        mode, set = sub(says, 1, 1), sets[byte(says, 2)]
        cost, when = string.match(says, '^([%d-]+)@?(%d*)$', 3)
        cost, when = tonumber(cost), tonumber(when)
        joins = mode < 'a'
        mode, last_says = string.lower(mode), says
    end
    count = count + 1
    local one = calls[count] or {}
    calls[count] = one
    one.key, one.place, one.set, one.first, one.mode, one.asks = KEYS[place], place, set, first, mode, cost
    one.charged_at, one.forces = when, mode == 'r' or mode == 'p'
    one.is_new, one.is_marked, one.blocked, one.escalated = false, false, 0, nil
    place, first = place + set.stride, first + set.size
    if not joins then
        decide(count, replies)
        count, first = 0, 0
    end
end
return replies
