-- Forgets what is counted of a subject. Blocks stay, and so do settings of its own.
-- KEYS     the subject's hash, and the sorted set of each log among its policies
-- ARGV     none
-- REPLY    1 if anything was counted, else 0
-- COST     O(fields), a handful
-- COMMANDS: HKEYS, HDEL, UNLINK
local had = 0
for _, name in ipairs(call('HKEYS', KEYS[1])) do
    if byte(name) ~= 33 then
        had = 1
        call('HDEL', KEYS[1], name)
    end
end
for at = 2, #KEYS do
    call('UNLINK', KEYS[at])
end
return had
