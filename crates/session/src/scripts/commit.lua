-- Writes fields of sessions that are there.
-- KEYS     of each call the session, its user's index
-- ARGV     of each call its digest; and in MessagePack how often it must have been written ('' for any number), the version that the caller knows, then changes of three each: 'c', a field, and the
--          SHA-1 in hex of what it must hold ('' for nothing); 's', a field, and its new value; 'd', a field, and nothing; 'i', a field, and by how much
-- REPLY    of each its version since, 1 if it was as the caller knows it, else 0, and what those fields hold now that were incremented; or the session where its fields are not as they must be; or
--          0, or a digest: as `load.lua`
-- COST     O(fields), at most 16 sessions
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HINCRBY
local replies = {}

local function commit(key, index, digest, changes)
    local till = valid(index, digest)
    local raw = till and call('HGET', key, '')
    if not raw then
        return gone(key)
    end
    local head = header(raw)
    local fits = changes[1] == '' or tonumber(changes[1]) == head.writes
    -- Nobody has written since: all is as it must be.
    local is_known = version_of(raw) == changes[2]
    local sets, dels, adds = {}, {}, {}
    for at = 3, #changes, 3 do
        local what, field, value = changes[at], changes[at + 1], changes[at + 2]
        if what == 'c' and is_known then
            -- It holds what it did.
        elseif what == 'c' then
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
        return told(call('HGETALL', key), till)
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
        reply[at + 2] = call('HGET', key, add[1])
    end
    head.writes, head.written = head.writes + 1, now_exactly
    raw = headed(head)
    sets[#sets + 1] = ''
    sets[#sets + 1] = raw
    call('HSET', key, unpack(sets))
    if #dels > 0 then
        call('HDEL', key, unpack(dels))
    end
    reply[1], reply[2] = version_of(raw), is_known and 1 or 0
    return reply
end

for at = 1, #KEYS / 2 do
    local fine, reply = pcall(commit, KEYS[2 * at - 1], KEYS[2 * at], ARGV[2 * at - 1], cmsgpack.unpack(ARGV[2 * at]))
    replies[at] = fine and reply or redis.error_reply(type(reply) == 'table' and reply.err or tostring(reply))
end
return replies
