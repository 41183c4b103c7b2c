-- Writes fields of sessions that are there.
-- KEYS     of each call the session, its user's index, and their etag
-- ARGV     of each call, in MessagePack, how often it must have been written ('' for any number), the etag and the version that the caller knows, what the next one begins with, then changes of three each: 'c', a field, and the
--          SHA-1 in hex of what it must hold ('' for nothing); 's', a field, and its new value; 'd', a field, and nothing; 'i', a field, and by how much,
--          with what the sum must not be beyond behind a space
-- REPLY    of each when it was written (microseconds), where the etag was as the caller knows it and nothing was incremented; else its version since, 2 if the etag was, 1 if its version was, else 0,
--          and what those fields hold now that were incremented; or the session where its fields are not as they must be, or would not be; or
--          0, or a digest: as `load.lua`
-- COST     O(fields), at most 16 sessions
-- COMMANDS: HGET, HGETALL, HSET, HDEL, HINCRBY

-- So many counters are again what they were.
local function put_back(key, adds, many)
    for at = many, 1, -1 do
        local field, was = adds[at][1], adds[at].was
        if was then
            call('HSET', key, field, was)
        else
            call('HDEL', key, field)
        end
    end
end

local function as_it_is(key, index)
    return told(call('HGETALL', key), valid(index, digest_of(key)) or now)
end

return each(#KEYS / 3, function(at)
    local key, index, changes = KEYS[3 * at - 2], KEYS[3 * at - 1], cmsgpack.unpack(ARGV[at])
    local etag = call('GET', KEYS[3 * at])
    -- Nothing has changed since, nor ended: all is as it must be.
    local same_etag = etag and etag == changes[2]
    local raw = (same_etag or valid(index, digest_of(key))) and call('HGET', key, '')
    if not raw then
        return gone(key)
    end
    local writes = read('<d', raw, 27)
    local fits = changes[1] == '' or tonumber(changes[1]) == writes
    local same_version = same_etag or version_of(raw) == changes[3]
    local sets, dels, adds = {}, {}, {}
    for at = 5, #changes, 3 do
        local what, field, value = changes[at], changes[at + 1], changes[at + 2]
        if what == 's' then
            sets[#sets + 1] = field
            sets[#sets + 1] = value
        elseif what == 'd' then
            dels[#dels + 1] = field
        elseif what == 'i' then
            local by, bound = string.match(value, '^(%S+) ?(%S*)$')
            adds[#adds + 1] = { field, by, is_down = tonumber(by) < 0, bound = tonumber(bound) }
        elseif not same_version then
            local held = call('HGET', key, field)
            fits = fits and (held and redis.sha1hex(held) or '') == value
        end
    end
    if not fits then
        return as_it_is(key, index)
    end
    local sums = {}
    for at, add in ipairs(adds) do
        -- First: it may be refused, and then nothing has changed.
        add.was = call('HGET', key, add[1])
        local sum = redis.pcall('HINCRBY', key, add[1], add[2])
        local is_error = type(sum) == 'table'
        local is_beyond = not is_error and add.bound and (add.is_down and sum < add.bound or not add.is_down and sum > add.bound)
        if is_error or is_beyond then
            put_back(key, adds, is_error and at - 1 or at)
            return is_error and sum or as_it_is(key, index)
        end
        sums[at] = call('HGET', key, add[1])
    end
    if etag then
        -- It stays as long as it would have: its end is that of the user's first session.
        call('SET', KEYS[3 * at], unique(changes[4]), 'XX', 'KEEPTTL')
    end
    local version = write('<dd', writes + 1, now_exactly)
    sets[#sets + 1] = ''
    sets[#sets + 1] = sub(raw, 1, 26) .. version .. sub(raw, 43)
    call('HSET', key, unpack(sets))
    if #dels > 0 then
        call('HDEL', key, unpack(dels))
    end
    return same_etag and #adds == 0 and now_exactly or { version, same_etag and 2 or same_version and 1 or 0, unpack(sums) }
end)
