-- What a key of several holders holds, and how it goes from one to the next.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1); O(holders), at most 1000, when a lease may have ended
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HLEN, PEXPIRE, PTTL, ZCARD, ZRANGE, ZRANGEBYSCORE, ZREM, PUBLISH
-- How many may hold it at once.
local MOST_HOLDERS = 1000
-- How long one who went away stays known (in microseconds), so that what they had sent before takes nothing.
local MARKED = 10 * 1000000

-- A holder's field is who they are, and its value '<Bdddd' and a label: 1, until when, for how long, the fence, and how much. Who went away
-- holds nothing (0).
local function holder_of(raw)
    if not raw or #raw < 33 then
        return nil
    end
    local _, till, lease, fence, weight = read('<Bdddd', raw)
    if till > now + lease then
        -- The clock was set back: nobody waits longer for it than a lease from now on.
        return { till = now + lease, lease = lease, fence = fence, weight = weight, label = sub(raw, 34), is_ahead = true }
    end
    if till > now then
        return { till = till, lease = lease, fence = fence, weight = weight, label = sub(raw, 34) }
    end
end

local function note(lock, holder)
    lock.earliest = math.min(lock.earliest, holder.till)
    lock.longest = math.max(lock.longest, holder.lease)
end

local function put(lock, owner, holder)
    call('HSET', lock.key, owner, write('<Bdddd', 1, holder.till, holder.lease, holder.fence, holder.weight) .. holder.label)
    note(lock, holder)
end

-- Forgets those whose leases have ended, and counts the others.
local function count_holders(lock)
    local all = call('HGETALL', lock.key)
    lock.used, lock.holders, lock.earliest, lock.longest = 0, 0, math.huge, 0
    for index = 1, #all, 2 do
        local owner = all[index]
        local holder = owner ~= '' and holder_of(all[index + 1])
        if holder then
            if holder.is_ahead then
                put(lock, owner, holder)
            end
            note(lock, holder)
            lock.used = lock.used + holder.weight
            lock.holders = lock.holders + math.min(holder.weight, 1)
        elseif owner ~= '' then
            call('HDEL', lock.key, owner)
        end
    end
end

-- The field without a name is '<BBddddd': 1, whether somebody waits (1), the last fence, how much is taken, by how many, before when no lease
-- ends (renewing does not move it), and the longest lease.
local function look(key)
    local raw = redis.pcall('HGET', key, '')
    local lock = { key = key, waits = 0, fence = 0, used = 0, holders = 0, earliest = math.huge, longest = 0 }
    if raw then
        -- A string has no `err`, a table that says why there is none has.
        if raw.err then
            return raw
        end
        if #raw ~= 42 or string.byte(raw) ~= 1 then
            return redis.error_reply('WRONGTYPE the key holds no lock that this version of the library knows')
        end
        local _
        _, lock.waits, lock.fence, lock.used, lock.holders, lock.earliest, lock.longest = read('<BBddddd', raw)
    end
    return lock
end

-- As it is now, before anything is decided: without those whose leases have ended, and if the clock was set back none ends later than
-- anybody asked for.
local function look_closely(key)
    local lock = look(key)
    if not lock.err and (lock.earliest <= now or (lock.earliest < math.huge and lock.earliest > now + lock.longest)) then
        count_holders(lock)
    end
    return lock
end

-- Stores it, and keeps it so much longer than it is held (in milliseconds), for its fence.
local function store(lock, keeps)
    call('HSET', lock.key, '',
        write('<BBddddd', 1, lock.waits, lock.fence, lock.used, lock.holders, lock.earliest, lock.longest))
    local lives = decimal(lock.longest / 1000 + keeps)
    -- Not shorter than somebody with a longer lease needs; and always, where it has no end yet.
    if call('PEXPIRE', lock.key, lives, 'GT') == 0 and call('PTTL', lock.key) < 0 then
        call('PEXPIRE', lock.key, lives)
    end
end

local function find(lock, owner)
    return holder_of(call('HGET', lock.key, owner) or nil)
end

-- Above all fences before.
local function next_fence(lock)
    return math.max(lock.fence + 1, now)
end

local function fits(lock, weight, of)
    return lock.used + weight <= of and lock.holders < MOST_HOLDERS
end

-- Gives some of it to somebody, for so long.
local function grant(lock, owner, weight, lease, label)
    lock.fence = next_fence(lock)
    lock.used, lock.holders = lock.used + weight, lock.holders + 1
    local holder = { till = now + lease, lease = lease, fence = lock.fence, weight = weight, label = label }
    put(lock, owner, holder)
    return holder
end

local function free(lock, owner, holder)
    call('HDEL', lock.key, owner)
    lock.used, lock.holders = lock.used - holder.weight, lock.holders - 1
end

-- Somebody who went away stays known for a while; all of them until the same time, so that they are seldom counted.
local function mark(lock, owner)
    if call('HLEN', lock.key) < 2 * MOST_HOLDERS then
        local till = math.ceil(now / MARKED + 1) * MARKED
        put(lock, owner, { till = till, lease = 2 * MARKED, fence = 0, weight = 0, label = '' })
    end
end

-- Who waits also says how much they want, of how much, and whether they let others go first.
local function share_member(owner, lease, weight, of, yields, label)
    return member(owner, lease, write('<ddB', weight, of, yields) .. label)
end

-- Hands what is free to those who wait first, for a short time, in which they have to say that they are there; or, where whoever comes first may
-- take it, tells the first that something is free.
local function hand_on(lock, barges, confirm, channel)
    prune()
    for _ = 1, 64 do
        local one = first()
        if not one then
            break
        end
        local lease, owner, weight, of = read('<dc16dd', one)
        if not fits(lock, weight, of) then
            break
        end
        if not barges then
            leave(one)
            grant(lock, owner, weight, math.min(lease, confirm), sub(one, 42))
        end
        tell(owner, channel, write('<Bc16d', 1, owner, barges and 0 or lock.fence))
        if barges then
            break
        end
    end
    lock.waits = call('ZCARD', queue) > 0 and 1 or 0
end
