-- What all scripts of sessions begin with: the server's clock, what a session's first field holds, and whether one is valid.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(members of an index), at most 1,000
-- COMMANDS: TIME, ZSCORE, ZRANGEBYSCORE, ZCOUNT, ZREM, HGET, HSET, ZADD, PEXPIREAT, GET, SET, EXISTS, UNLINK
local call, read, write, sub = redis.call, struct.unpack, struct.pack, string.sub

-- A session as scripts tell it: one text, of its fields and values, until when it is valid and its user's etag ('' for none), in MessagePack. That costs a third of what an array
-- of them does.
local function told(all, till, etag)
    all[#all + 1] = string.format('%.0f', till)
    all[#all + 1] = etag or ''
    return cmsgpack.pack(all)
end

-- The server's time, in milliseconds, and in microseconds.
local time = call('TIME')
local now, now_exactly = time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]

-- A number as text: Lua's own way keeps 14 digits.
local function decimal(value)
    return string.format('%.0f', value)
end

-- The field without a name is '<BBdddddc16' and what describes the session: 1, what it is, when it was created and last seen, until when it can be
-- extended, how often it was written, when it was last (microseconds), and its internal number. Where a session has another token since, it is '<BB' and the other's digest; where one must
-- not be created any more, '<BB' and its number.
local LIVES, MOVED, ENDED = 1, 2, 3

local function header(raw)
    local head = {}
    local version, kind
    version, kind, head.created, head.seen, head.most, head.writes, head.written = read('<BBddddd', raw)
    head.rest = sub(raw, 43)
    return head
end

local function headed(head)
    return write('<BBddddd', 1, LIVES, head.created, head.seen, head.most, head.writes, head.written) .. head.rest
end

-- What a session holds is the same as long as this is: how often and when it was written. A failover may undo writes, and others come in their place: the number
-- alone would not tell.
local function version_of(raw)
    return sub(raw, 27, 42)
end

-- What processes remember of a user's sessions is good while their etag is what it was then: whoever changes or ends one of them makes it another one, and whoever makes one that
-- may end before the others tags them anew.
local function forget(etag)
    -- Not taken away: a script over keys of which one is not there waits until its slot has moved, where a cluster moves it.
    call('SET', etag, write('<d', now_exactly), 'XX', 'KEEPTTL')
end

-- The same where sessions have left an index: none is needed where there is no other.
local function forget_left(index, etag)
    if call('EXISTS', index) == 0 then
        call('UNLINK', etag)
    else
        forget(etag)
    end
end

-- The etag ends with the first session of its user that does: what is remembered is valid for as long as that, by the server's clock. There is none where none is valid.
local function tag(index, etag, text)
    local first = call('ZRANGEBYSCORE', index, '(' .. decimal(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[2] then
        call('UNLINK', etag)
        return ''
    end
    call('SET', etag, text, 'PXAT', decimal(first[2] - 1))
    return text
end

-- An etag that nobody else says; also who is asked twice says another one each time.
local function unique(text)
    return text .. write('<d', now_exactly)
end

-- A session's key ends with its digest.
local function digest_of(key)
    return sub(key, -43)
end

-- What serves each of so many calls; an error is that call's alone.
local function each(count, serve)
    local replies, at = {}, 1
    local function go_on()
        while at <= count do
            replies[at] = serve(at)
            at = at + 1
        end
    end
    while at <= count do
        local fine, told = pcall(go_on)
        if not fine then
            replies[at] = redis.error_reply(type(told) == 'table' and told.err or tostring(told))
            at = at + 1
        end
    end
    return replies
end

-- Its internal number.
local function number_of(raw)
    return sub(raw, 43, 58)
end

-- A session is valid while its user's index says so: until when, in milliseconds. Nothing for one that is over, was revoked (then 0 stands there, until its keys
-- are removed), or never was. The same goes for a family of refresh tokens.
local function valid(index, member)
    local till = tonumber(call('ZSCORE', index, member) or 0)
    return till > now and till or nil
end

-- What is told of one that is not: where it went, if it has another token since; else 0.
local function gone(key)
    local raw = call('HGET', key, '')
    if raw and string.byte(raw, 2) == MOVED then
        return sub(raw, 3)
    end
    return 0
end

-- Until when a session is valid and its first field; nothing for one that is not.
local function found(key, index, digest)
    local till = valid(index, digest)
    local raw = till and call('HGET', key, '')
    if raw then
        return till, raw
    end
end

-- The index lives an hour longer than the last that is in it, so that clean-up sees what ended.
local function outlive(index, till)
    local text = decimal(till + 3600000)
    if call('PEXPIREAT', index, text, 'NX') == 0 then
        call('PEXPIREAT', index, text, 'GT')
    end
end

-- A session is valid until then, and its keys live so long.
local function prolong(key, index, digest, till)
    local text = decimal(till)
    call('ZADD', index, text, digest)
    call('PEXPIREAT', key, text)
    outlive(index, till)
end

-- Ends members of an index: their keys are removed behind that, and they leave it with their keys.
local function strike(index, members)
    local scored = {}
    for at, member in ipairs(members) do
        scored[2 * at - 1], scored[2 * at] = 0, member
    end
    if #members > 0 then
        call('ZADD', index, 'XX', unpack(scored))
    end
end

-- What has ended by itself leaves the index; and where it has room for no more, the ones that were used least recently end. Told are those that ended by
-- themselves, those that end now, and those that had ended before and whose keys are still there.
local function make_room(index, room)
    local text = decimal(now)
    local over = call('ZRANGEBYSCORE', index, '(0', text, 'LIMIT', 0, 1000)
    if #over > 0 then
        call('ZREM', index, unpack(over))
    end
    local struck = call('ZRANGEBYSCORE', index, 0, 0, 'LIMIT', 0, 1000)
    local many, ended = call('ZCOUNT', index, '(' .. text, '+inf') - room, {}
    if many > 0 then
        ended = call('ZRANGEBYSCORE', index, '(' .. text, '+inf', 'LIMIT', 0, many)
        strike(index, ended)
    end
    return over, ended, struck
end

-- What is valid in an index, what was used least recently first.
local function all_valid(index)
    return call('ZRANGEBYSCORE', index, '(' .. decimal(now), '+inf', 'LIMIT', 0, 1000)
end

-- Ends families of refresh tokens: those of the sessions of these internal numbers, or all but those where `but` is given. Which those are.
local function end_families(families, of, but)
    local ended = {}
    if but or next(of) then
        for _, member in ipairs(all_valid(families)) do
            if (but and sub(member, 23) ~= but) or (not but and of[sub(member, 23)]) then
                ended[#ended + 1] = member
            end
        end
        strike(families, ended)
    end
    return ended
end

-- When all sessions of a user were revoked, in microseconds, and what comes after it also where the clock was set back.
local function after_revoked(key)
    return decimal(math.max(now_exactly, tonumber(call('GET', key) or 0) + 1))
end

-- Whether that was done since a login began; also of one that began too long ago to know.
local function revoked_since(key, since)
    since = tonumber(since)
    return since and (since <= tonumber(call('GET', key) or 0) or since < now_exactly - 3600000000)
end
