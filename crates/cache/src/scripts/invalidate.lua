-- Invalidates tags: every entry with one of them that was stored under the clock of before holds no more.
-- KEYS[1]    the control state
-- KEYS[2]    its tags
-- KEYS[3]    the stream of changes; not where nobody can follow
-- ARGV[1]    the epoch that begins if there is none: then no entry holds at all
-- ARGV[2]    how long both live, in milliseconds
-- ARGV[3]    what is told of a change: see control.lua
-- ARGV[7]    the tags as they are told
-- ARGV[8]    how many tags are kept
-- ARGV[8+i]  the tags, at most 1,000
-- REPLY      the state
-- COST       O(log n) a tag, of n tags kept
-- COMMANDS: ZADD, ZCARD, ZRANGE, ZREMRANGEBYRANK
local state = advanced(1)
if not state then
    announce(3, 3, 'a')
    return text_of(begin(1, ARGV[1], clock(), ARGV[2]))
end
-- Evicted alone: which entries the lost tags spoke of, nobody knows.
if not has_tags(2, state) then
    state.floor = state.now
    announce(3, 3, 'a')
    begin_tags(2, state, ARGV[2])
end
local now = number(state.now)
for i = 9, #ARGV do
    redis.call('ZADD', KEYS[2], now, ARGV[i])
end
-- The oldest are forgotten, and every entry as old as they. The first member is the epoch.
local over = redis.call('ZCARD', KEYS[2]) - 1 - tonumber(ARGV[8])
if over > 0 then
    over = math.min(over, 2 * #ARGV)
    local last = redis.call('ZRANGE', KEYS[2], over, over, 'WITHSCORES')
    state.floor = math.max(state.floor, tonumber(last[2]))
    redis.call('ZREMRANGEBYRANK', KEYS[2], 1, over)
end
keep(1, state, ARGV[2])
announce(3, 3, 't' .. now .. ' ' .. ARGV[7])
return text_of(state)
