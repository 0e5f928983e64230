-- Add or replace open days of one organisation, take others away, and count by how many they became more.
-- What was lost meanwhile stays missing from the count's point of view, so that it shows. Returns how many changes the
-- generation has by now: a cache that went back to an earlier state has fewer.
-- KEYS[1]: the days of the organisation; KEYS[2]: the counts of the generation. ARGV[1]: the organisation;
-- ARGV[2]: in how many milliseconds both are forgotten; ARGV[3]: how many days to add; then a field and a value
-- for each of these; then the fields to take away.
local more, at = 0, 4
for _ = 1, tonumber(ARGV[3]) do
    more = more + redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    at = at + 2
end
for index = at, #ARGV do
    more = more - redis.call('HDEL', KEYS[1], ARGV[index])
end
redis.call('HINCRBY', KEYS[2], ARGV[1], more)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('HINCRBY', KEYS[2], '', 1)
