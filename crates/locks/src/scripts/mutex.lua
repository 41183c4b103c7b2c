-- What a mutex' key holds.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: GET, SET
-- A lock's value is '<BBdddc16' and a label: 1, whether somebody waits (1), the last fence, until when it is held, how long that was to
-- be, who holds it, or did last, and what people call them. It outlives its holder, so that fences rise also where the clock is set back.
local NOBODY = string.rep('\0', 16)

local function look(key)
    local raw = redis.pcall('GET', key)
    local lock = { key = key, waits = 0, fence = 0, till = 0, lease = 0, owner = NOBODY, label = '' }
    if raw then
        -- A string has no `err`, a table that says why there is none has.
        if raw.err then
            return raw
        end
        if #raw < 42 or string.byte(raw) ~= 1 then
            return redis.error_reply('WRONGTYPE the key holds no lock that this version of the library knows')
        end
        local _
        _, lock.waits, lock.fence, lock.till, lock.lease, lock.owner = read('<BBdddc16', raw)
        lock.label = sub(raw, 43)
        if lock.till > now + lock.lease then
            -- The clock was set back: nobody waits longer for it than a lease from now on.
            lock.till = now + lock.lease
            lock.is_ahead = true
        end
    end
    return lock
end

-- Stores it, and keeps it so much longer than it is held (in milliseconds), for its fence.
local function store(lock, keeps)
    local lives = math.max(0, lock.till - now) / 1000 + keeps
    call('SET', lock.key, write('<BBdddc16', 1, lock.waits, lock.fence, lock.till, lock.lease, lock.owner) .. lock.label,
        'PX', decimal(lives))
end

local function is_held(lock)
    return lock.till > now
end

-- Above all fences before.
local function next_fence(lock)
    return math.max(lock.fence + 1, now)
end

-- Gives it to somebody, for so long.
local function grant(lock, owner, lease, label)
    lock.fence = next_fence(lock)
    lock.owner, lock.label, lock.lease, lock.till = owner, label, lease, now + lease
end

-- Nobody holds it any more; who did stays known, so that a release that is sent again is told what the first one was.
local function free(lock)
    lock.till = 0
end

-- Whether who asks has gone away since: what they sent came late, and nobody would hold what it takes.
local function has_left(lock, owner)
    return lock.till == 0 and lock.owner == owner
end

-- What people are told of who holds it.
local function held_by(lock)
    return write('<Bdddc16', 1, lock.fence, lock.till - now, 1, lock.owner) .. lock.label
end
