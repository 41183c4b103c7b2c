-- Reads etags. A script, and not a command that reads: a server that may not write, because it is none's primary any more or has lost its replicas, refuses it and tells
-- nobody that a session is still valid.
-- KEYS     the etags
-- ARGV     none
-- REPLY    of each its value, or nothing
-- COST     O(keys), at most 128
-- COMMANDS: MGET
return redis.call('MGET', unpack(KEYS))
