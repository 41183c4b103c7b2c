-- Writes fields of a session that is there.
-- KEYS     the session, its user's index
-- ARGV     its digest, how often it must have been written ('' for any number), then changes of three each: 'c', a field, and the SHA-1 in hex of what it
--          must hold ('' for nothing); 's', a field, and its new value; 'd', a field, and nothing; 'i', a field, and by how much
-- REPLY    how often it was written since, and what those fields hold now that were incremented; or an array in an array: all its fields where they are not
--          as they must be; or 0, or a digest, as `load.lua`
-- COST     O(fields)
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HINCRBY
local key, index = KEYS[1], KEYS[2]
local till = valid(index, ARGV[1])
local raw = till and call('HGET', key, '')
if not raw then
    return gone(key)
end
local head = header(raw)
local fits = ARGV[2] == '' or tonumber(ARGV[2]) == head.writes
local sets, dels, adds = {}, {}, {}
for at = 3, #ARGV, 3 do
    local what, field, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if what == 'c' then
        local held = call('HGET', key, field)
        fits = fits and (held and redis.sha1hex(held) or '') == value
    elseif what == 's' then
        sets[#sets + 1] = field
        sets[#sets + 1] = value
    elseif what == 'd' then
        dels[#dels + 1] = field
    else
        adds[#adds + 1] = { field, value }
    end
end
if not fits then
    local all = call('HGETALL', key)
    all[#all + 1] = decimal(till)
    return { all }
end
local reply = {}
for at, add in ipairs(adds) do
    -- First: it may be refused, and then nothing has changed.
    add.was = call('HGET', key, add[1])
    local sum = redis.pcall('HINCRBY', key, add[1], add[2])
    if type(sum) == 'table' then
        for undo = at - 1, 1, -1 do
            local field, was = adds[undo][1], adds[undo].was
            if was then
                call('HSET', key, field, was)
            else
                call('HDEL', key, field)
            end
        end
        return sum
    end
    reply[at + 1] = call('HGET', key, add[1])
end
head.writes = head.writes + 1
sets[#sets + 1] = ''
sets[#sets + 1] = headed(head)
call('HSET', key, unpack(sets))
if #dels > 0 then
    call('HDEL', key, unpack(dels))
end
reply[1] = decimal(head.writes)
return reply
