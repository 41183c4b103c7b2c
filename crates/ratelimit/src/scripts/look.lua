-- What stands in Redis of the subjects of one decision, and what their policies say.
-- ARGV[1]    how many sets of policies there are; of each set:
--            how many policies it has; what else it says ('<B': 1 denied calls are charged too, 2 denials lead to blocks; then '<B'
--            of each policy, whether it only watches; then of blocks '<dddddd': after how many denials, within how long, for how
--            long, times what for each one more, at most how long, forgotten after how long); of each policy its name and settings
--            The first argument behind the sets is `argument`.
-- KEYS     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: HGET, HGETALL, HMGET, PTTL, TYPE
local sets, argument = {}, 2
for index = 1, tonumber(ARGV[1]) do
    local size, says = tonumber(ARGV[argument]), ARGV[argument + 1]
    local set = { size = size, says = says, options = byte(says), stride = 1 }
    argument = argument + 2
    for at = 1, size do
        local spec = ARGV[argument + 1]
        local kind = byte(spec)
        local run, is_stale = kinds[kind](spec)
        set[at] = { name = ARGV[argument], kind = kind, run = run, watches = byte(says, at + 1) == 1 }
        set.is_stale = set.is_stale or is_stale
        if kind == 5 then
            set.logs = set.logs or {}
            set.logs[at] = set.stride
            set.stride = set.stride + 1
        end
        argument = argument + 2
    end
    sets[index] = set
end

-- The calls of one decision, and of each the policies from `first` on: all of them stand behind each other in the lists below.
local calls = {}
local runs, states, waits, after_states, limits, befores, afters, idles, idles_before, charges, lives, aheads, effects, logs =
    {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}

-- What is unusual about a subject: it is new, it is blocked, it has settings of its own.
local function unusual(one)
    local key, set, first = one.key, one.set, one.first
    one.is_new = true
    for at = 1, set.size do
        local state = states[first + at]
        if state then
            one.is_new = false
            local kind = byte(state)
            one.is_marked = one.is_marked or kind >= 128
            if kind % 128 ~= set[at].kind then
                states[first + at] = false
            end
        end
    end
    if one.is_new then
        one.is_new = call('PTTL', key) == -2
        if one.is_new then
            return
        end
    elseif not one.is_marked then
        return
    end
    local found, fields = call('HGETALL', key), {}
    for place = 1, #found, 2 do
        fields[found[place]] = found[place + 1]
    end
    one.blocked = blocked(fields['!block'])
    one.is_marked = one.blocked > 0
    for name, field in pairs(fields) do
        -- Also of a policy of another set, or it would be forgotten here.
        if sub(name, 1, 7) == '!limit:' then
            local _, till = read('<Bd', field)
            one.is_marked = one.is_marked or till > now
        end
    end
    for at = 1, set.size do
        local field = fields['!limit:' .. set[at].name]
        if field then
            local _, till = read('<Bd', field)
            local spec = sub(field, 10)
            if till > now and byte(spec) == set[at].kind then
                runs[first + at] = kinds[byte(spec)](spec)
            end
        end
    end
end

-- What Redis holds of a subject; an error where that is none of ours.
local function look(one)
    local key, set, first = one.key, one.set, one.first
    if set.logs then
        for at, offset in pairs(set.logs) do
            logs[first + at] = KEYS[one.place + offset]
            local kind = call('TYPE', logs[first + at]).ok
            if kind ~= 'zset' and kind ~= 'none' then
                return redis.error_reply('WRONGTYPE the log holds another kind of value')
            end
        end
    end
    if set.size == 1 then
        local state = pcall('HGET', key, set[1].name)
        if type(state) == 'table' then
            return state
        end
        states[first + 1], runs[first + 1] = state, set[1].run
        if not state or byte(state) ~= set[1].kind then
            unusual(one)
        end
        return
    end
    if not set.names then
        set.names = {}
        for at = 1, set.size do
            set.names[at] = set[at].name
        end
    end
    local found = pcall('HMGET', key, unpack(set.names))
    if found.err then
        return found
    end
    local is_usual = true
    for at = 1, set.size do
        states[first + at], runs[first + at] = found[at], set[at].run
        is_usual = is_usual and found[at] and byte(found[at]) == set[at].kind
    end
    if not is_usual then
        unusual(one)
    end
end

-- What its policies say to a cost.
local function evaluate(one, cost, force)
    local first = one.first
    one.cost, one.is_ahead, one.outlives = cost, false, false
    charged_at = one.charged_at or 0
    for at = first + 1, first + one.set.size do
        waits[at], after_states[at], limits[at], befores[at], afters[at], idles[at], idles_before[at], charges[at], lives[at],
            aheads[at], effects[at] = runs[at](states[at], cost, force, logs[at])
        one.is_ahead = one.is_ahead or aheads[at]
        one.outlives = one.outlives or (lives[at] and states[at] and true)
    end
end
