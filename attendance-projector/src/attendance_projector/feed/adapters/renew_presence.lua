-- KEYS[1]: the marker; ARGV[1]: our generation; ARGV[2]: for how many milliseconds it is whole.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
