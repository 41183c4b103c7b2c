-- Stores values, and ends the leases of whoever loads them at the moment.
-- KEYS[1]      the control state,
-- KEYS[2]      its tags, and
-- KEYS[3]      the stream of changes; none of them where they live in another slot, or the cache has none
-- KEYS[3+..]   the values, then their leases
-- ARGV[1]      how many values there are
-- ARGV[2]      1 if the control state was given
-- ARGV[3]      the channel on which those who wait are woken
-- ARGV[4]      what is told of a change: see control.lua
-- ARGV[8]      the epoch that begins if there is none; without a control state the present one
-- ARGV[9]      how long the control state lives, in milliseconds; without one its present clock
-- ARGV[10]     the entries' head, empty for entries without one
-- ARGV[11]     where the part of a key begins that names it to those who keep values in their memory
-- ARGV[11+..]  for each value the rest of its entry, and how long it lives in milliseconds
-- REPLY        the clock that the entries are stored under, where the state was given
-- COST         O(1) a value
-- COMMANDS: EXISTS, GET, SET, DEL, PUBLISH
local call, keys, args = redis.call, KEYS, ARGV
local count = tonumber(args[1])
local epoch, stamp, first = args[8], args[9], 0
if args[2] == '1' then
    local state = opened(1, epoch, stamp)
    epoch, stamp, first = state.epoch, state.now, 3
end
local under = ''
if args[10] ~= '' then
    under = args[10] .. struct.pack('>I8I8I8', epoch, stamp, clock())
end
for i = 1, count do
    call('SET', keys[first + i], under .. args[2 * i + 10], 'PX', args[2 * i + 11])
end
if call('EXISTS', unpack(keys, first + count + 1, first + 2 * count)) > 0 then
    for i = 1, count do
        end_lease(keys[first + count + i], args[3], keys[first + i])
    end
end
if first > 0 and is_followed(3) then
    for i = 1, count do
        announce(3, 4, 'k' .. string.sub(keys[first + i], tonumber(args[11])))
    end
end
return number(stamp == '' and 0 or stamp)
