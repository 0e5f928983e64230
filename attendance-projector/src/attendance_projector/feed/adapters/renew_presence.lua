-- Call our generation whole for some time more, or return 0 when the cache has lost it, a part of it, or its last changes.
-- KEYS[1]: the marker; KEYS[2]: the counts of our generation. ARGV[1]: our generation; ARGV[2]: for how many
-- milliseconds it is whole; ARGV[3]: what stands before an organisation in the key of its days; ARGV[4]: how many
-- changes we put.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HGET', KEYS[2], '') ~= ARGV[4] then
    return 0
end
local counts = redis.call('HGETALL', KEYS[2])
for index = 1, #counts, 2 do
    local org, count = counts[index], tonumber(counts[index + 1])
    if org ~= '' and redis.call('HLEN', ARGV[3] .. org) ~= count then
        return 0
    end
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
