//! The keys that a cache writes.

use russet_core::{Concern, KeySpec, KeyTtl, KeyType};

/// Caching; `CACHE_REDIS_URL` gives it a server of its own.
pub const CONCERN: Concern = Concern::new("cache", "CACHE_REDIS_URL");

/// The source of the script that counts.
pub(crate) const INCREMENT: &str = include_str!("scripts/increment.lua");

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[KeySpec::new(
    "cache",
    "{prefix}:cache:{cache}",
    "{key..}",
    KeyType::String,
    KeyTtl::Configured,
    "One cached value: the codec's header, then the value; of a cache of counters a number in decimal.",
)
.owner("cache")
.commands(&[
    "DEL", "EXISTS", "GET", "MGET", "PEXPIRE", "PTTL", "SCAN", "SET", "UNLINK",
])
.scripts(&[INCREMENT])];
