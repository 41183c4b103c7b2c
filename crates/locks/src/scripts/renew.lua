-- Holds mutexes for longer.
-- KEYS     the locks
-- ARGV     how long a free lock is remembered, in milliseconds; then of each call who holds it (16 bytes), and for how long from now on
--          (microseconds)
-- REPLY    of each 1 it is theirs, 0 it is not any more. An error where the key holds something else.
-- COST     O(calls), at most 500
-- COMMANDS: GET, SET
local keeps, replies = tonumber(ARGV[1]), {}
for index = 1, #KEYS do
    local key, owner, lease = KEYS[index], ARGV[2 * index], tonumber(ARGV[2 * index + 1])
    local raw = redis.pcall('GET', key)
    if raw and raw.err then
        replies[index] = raw
    elseif not raw or string.byte(raw) ~= 1 or sub(raw, 27, 42) ~= owner then
        replies[index] = 0
    else
        local waits, fence, till = read('<Bdd', raw, 2)
        if till > now then
            call('SET', key, write('<BBddd', 1, waits, fence, now + lease, lease) .. sub(raw, 27), 'PX', decimal(math.ceil(lease / 1000) + keeps))
            replies[index] = 1
        else
            replies[index] = 0
        end
    end
end
return replies
