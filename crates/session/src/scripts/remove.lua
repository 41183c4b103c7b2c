-- Removes what has ended: from an index, and its keys.
-- KEYS     the index, and the keys
-- ARGV     what each is called in the index
-- REPLY    how many were there
-- COST     O(members), at most 500
-- COMMANDS: ZREM, UNLINK
local count = 0
for at, member in ipairs(ARGV) do
    if not valid(KEYS[1], member) then
        call('ZREM', KEYS[1], member)
        count = count + call('UNLINK', KEYS[at + 1])
    end
end
return count
