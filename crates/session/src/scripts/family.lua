-- What a family of refresh tokens is: '<BdddHc16c16c43c43c20' and what describes it. 1, until when it can be valid, when it was used last and how often, 0, the
-- internal number of its session, its scope, the digests of the token that is good and of the one before, and with what the good one was made of that one:
-- a salt of 16 bytes and which key.
-- KEYS     none of its own
-- ARGV     none of its own
-- REPLY    none of its own
-- COST     O(1)
-- COMMANDS: GET, SET, UNLINK, ZREM
local FORM = '<BdddHc16c16c43c43c20'
local NONE, NO_SALT = string.rep('-', 43), string.rep('\0', 20)

local function family_of(one)
    return write(FORM, 1, one.most, one.rotated, one.uses, 0, one.of, one.scope, one.current, one.previous, one.salt) .. one.rest
end

-- The family, if it is valid.
local function family_in(key, families, number)
    local raw = call('GET', key)
    if not raw or string.byte(raw) ~= 1 then
        return nil
    end
    local one, _, at = {}, nil, nil
    _, one.most, one.rotated, one.uses, _, one.of, one.scope, one.current, one.previous, one.salt, at = read(FORM, raw)
    one.rest, one.member = sub(raw, at), number .. one.of
    return valid(families, one.member) and one or nil
end

local function end_family(key, families, one)
    call('ZREM', families, one.member)
    call('UNLINK', key)
end
