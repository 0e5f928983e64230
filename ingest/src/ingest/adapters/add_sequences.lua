-- Add the numbers ARGV[1] to ARGV[2] of one device and return the highest up to which none is missing.
-- KEYS[1]: marker that the state is complete. KEYS[2]: sorted set of disjoint ranges, score = first, member = last.
-- Returns nil when the marker is absent: the numbers are kept, but what came before them is not known.
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
local function text(number) return string.format('%.0f', number) end

local before = redis.call('ZREVRANGEBYSCORE', KEYS[2], text(first), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
if before[1] and tonumber(before[1]) >= first - 1 then
  redis.call('ZREM', KEYS[2], before[1])
  first = tonumber(before[2])
  last = math.max(last, tonumber(before[1]))
end
local after = redis.call('ZRANGEBYSCORE', KEYS[2], text(first), text(last + 1))
for _, member in ipairs(after) do
  redis.call('ZREM', KEYS[2], member)
  last = math.max(last, tonumber(member))
end
redis.call('ZADD', KEYS[2], text(first), text(last))

if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local lowest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if tonumber(lowest[2]) > 1 then return '0' end
return lowest[1]
