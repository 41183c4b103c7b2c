-- Takes one token from each bucket.
-- KEYS: the buckets
-- ARGV: capacity, tokens a second
-- REPLY: for each key 1, or 0 if it was empty
-- COMMANDS: one TIME; one GET and one SET a key
-- COST: O(keys), at most 64
-- Time is the server's, in milliseconds; tokens are kept in thousandths.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, rate = ARGV[1] * 1000, tonumber(ARGV[2])
local replies = {}
for i, key in ipairs(KEYS) do
  local tokens, at = most, now
  local stored = redis.call('GET', key)
  if stored then
    local t, a = string.match(stored, '^(%d+):(%d+)$')
    at = math.max(tonumber(a), now)
    tokens = math.min(most, t + (at - a) * rate)
  end
  local taken = tokens >= 1000 and 1 or 0
  redis.call('SET', key, string.format('%.0f:%.0f', tokens - taken * 1000, at), 'PX', 60000)
  replies[i] = taken
end
return replies
