-- The control state with what was invalidated since another one, and when some tags were.
-- KEYS[1]    the control state
-- KEYS[2]    its tags
-- ARGV[1]    the epoch that is known
-- ARGV[2]    the clock since when
-- ARGV[2+i]  tags, at most 1,000
-- REPLY      { state, 1 if the tags are known, the tags since and their clocks, the asked ones' clocks or empty }; nothing if
--            the state is gone. More than 1,000 since, or another epoch: false for them.
-- COST       O(log n) a tag, of n tags kept
-- COMMANDS: ZRANGE, ZMSCORE
local state = state_of(1)
if not state then
    return false
end
if not has_tags(2, state) then
    return { text_of(state), 0, false, {} }
end
local since = false
if number(state.epoch) == ARGV[1] then
    since = redis.call('ZRANGE', KEYS[2], '(' .. ARGV[2], '+inf', 'BYSCORE', 'LIMIT', 0, 1001, 'WITHSCORES')
    if #since > 2000 then
        since = false
    end
end
local clocks = {}
for i = 3, #ARGV do
    clocks[i - 2] = redis.call('ZSCORE', KEYS[2], ARGV[i]) or ''
end
return { text_of(state), 1, since, clocks }
