-- What there is to know of a subject besides its counts, in fields whose names begin with '!', which no policy's does:
--   !block          '<Bdddd': 1, until when it is blocked, how long a block that was, how many there have been, when that is forgotten
--   !denials        '<Bdd': 1, how many calls were denied lately, when that begins anew
--   !limit:<name>   '<Bd' and settings: 1, until when this policy has these settings for this subject
-- While there is any of them, the first byte of every count has 128 added, so that nobody looks for them in vain.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: HGETALL, HSET, HGET, PTTL, PEXPIRE

-- Says in all counts that there is more to know.
local function mark(key)
    local fields = call('HGETALL', key)
    for place = 1, #fields, 2 do
        local name, state = fields[place], fields[place + 1]
        if byte(name) ~= 33 and byte(state) < 128 then
            call('HSET', key, name, string.char(byte(state) + 128) .. sub(state, 2))
        end
    end
end

-- For how long a subject is blocked from now on, by its field.
local function blocked(field)
    if not field then
        return 0
    end
    local _, till, lasts = read('<Bddd', field)
    return math.max(0, math.min(till - now, lasts))
end

-- Blocks a subject for so long; with a factor of 0 for just that, and it counts for no later one. A block within `forget` of the last one's end lasts `factor` times as long as that, at most `most`.
local function block(key, lasts, factor, most, forget)
    local is_new = call('PTTL', key) == -2
    local field, times = call('HGET', key, '!block'), 0
    if field then
        local _, _, _, before, forgets = read('<Bdddd', field)
        if forgets > now then
            times = before
        end
    end
    -- One that lasts longer stays.
    lasts = math.max(blocked(field), floor(math.min(most, factor > 0 and lasts * factor ^ times or lasts)))
    local till = now + lasts
    call('HSET', key, '!block', write('<Bdddd', 1, till, lasts, factor > 0 and times + 1 or times, till + forget))
    mark(key)
    keep(key, is_new, till + forget)
    return lasts
end
