-- Takes mutexes that nobody holds and nobody waits for.
-- KEYS     the locks
-- ARGV     of each call for how long (microseconds), for how long its key then lives (milliseconds: a free lock is remembered longer), and who asks
--          (16 bytes) with a label behind
-- REPLY    of each its fence where it was taken; else '<Bdd': 1, its fence and how long it is held, where it was theirs; 0, its fence and how
--          long it may still be held; 2, its fence and 0 where nobody holds it, but somebody may wait. An error where the key holds
--          something else.
-- COST     O(calls), at most 64
-- COMMANDS: GET, SET, SETRANGE
-- What every lock begins with is read and written here without the functions that the other scripts use: half of this script's time would be theirs.
local replies = {}
for index = 1, #KEYS do
    local key, lease, who = KEYS[index], ARGV[3 * index - 2], ARGV[3 * index]
    local raw = redis.pcall('GET', key)
    local waits, fence, till, was = 0, 0, 0, 0
    if not raw then
        -- It is new, or was forgotten.
    elseif raw.err then
        replies[index] = raw
    elseif #raw < 42 or string.byte(raw) ~= 1 then
        replies[index] = redis.error_reply('WRONGTYPE the key holds no lock that this version of the library knows')
    else
        local _
        _, waits, fence, till, was = read('<BBddd', raw)
        if till > now then
            if till > now + was then
                -- The clock was set back: nobody waits longer for it than a lease from now on.
                till = now + was
                call('SETRANGE', key, 10, write('<d', till))
            end
            -- Its own, if the reply to the first of two was lost.
            replies[index] = write('<Bdd', sub(raw, 27, 42) == sub(who, 1, 16) and 1 or 0, fence, till - now)
        elseif till == 0 and sub(raw, 27, 42) == sub(who, 1, 16) then
            -- They have gone away since: what they sent came late, and nobody would hold what it takes.
            replies[index] = write('<Bdd', 0, fence, 0)
        elseif waits > 0 then
            replies[index] = write('<Bdd', 2, fence, 0)
        end
    end
    if not replies[index] then
        fence = math.max(fence + 1, now)
        call('SET', key, write('<BBddd', 1, 0, fence, now + lease, lease) .. who, 'PX', ARGV[3 * index - 1])
        replies[index] = fence
    end
end
return replies
