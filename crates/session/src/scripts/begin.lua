-- Begins a login: what must not be revoked until it is done.
-- KEYS     when the user's sessions were revoked
-- ARGV     none
-- REPLY    now, in microseconds; later than that, also where the clock was set back
-- COST     O(1)
-- COMMANDS: GET
return after_revoked(KEYS[1])
