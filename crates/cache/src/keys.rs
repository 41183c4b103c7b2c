//! The keys that a cache writes.

use russet_core::{Concern, Key, KeySpec, KeyTtl, KeyType, KeyWriter, Stem};

/// Caching; `CACHE_REDIS_URL` gives it a server of its own.
pub const CONCERN: Concern = Concern::new("cache", "CACHE_REDIS_URL");

pub(crate) const INCREMENT: &str = include_str!("scripts/increment.lua");
pub(crate) const ACQUIRE: &str = include_str!("scripts/acquire.lua");
pub(crate) const FILL: &str = include_str!("scripts/fill.lua");
pub(crate) const STORE: &str = include_str!("scripts/store.lua");
pub(crate) const REMOVE: &str = include_str!("scripts/remove.lua");
pub(crate) const RELEASE: &str = include_str!("scripts/release.lua");
pub(crate) const RENEW: &str = include_str!("scripts/renew.lua");

const STEM: &str = "{prefix}:cache:{cache}";

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new(
        "cache",
        STEM,
        "{key..}",
        KeyType::String,
        KeyTtl::Configured,
        "One cached value: the codec's header, then the value; of a cache of counters a number in decimal.",
    )
    .owner("cache")
    .commands(&[
        "DEL", "EXISTS", "GET", "MGET", "PEXPIRE", "PTTL", "SCAN", "SET", "UNLINK",
    ])
    .scripts(&[ACQUIRE, FILL, STORE, REMOVE, INCREMENT]),
    KeySpec::new(
        "cache",
        STEM,
        "%lease:{{key..}}",
        KeyType::String,
        KeyTtl::Configured,
        "Who loads a value: a token, with a `+` behind it if somebody waits; the hash tag is the value's whole key, or its shard.",
    )
    .owner("cache")
    .commands(&["DEL"])
    .scripts(&[ACQUIRE, FILL, STORE, REMOVE, RELEASE, RENEW]),
    KeySpec::new(
        "cache",
        STEM,
        "%wake",
        KeyType::Channel,
        KeyTtl::Persistent,
        "The key of a value that somebody waited for, when it is there or nobody loads it any more.",
    )
    .owner("cache")
    .commands(&["PUBLISH"]),
];

/// The key of a value's lease. It lives in the value's slot; no value's key is like it, because no part of a key that
/// comes from a value begins with `%l`.
pub(crate) fn lease(stem: &Stem, key: &Key) -> Key {
    let mut writer = KeyWriter::new();
    writer.text(stem.as_str());
    writer.text(":%lease:");
    let literal = writer.len();
    // Raw keys of ours are text.
    let text = std::str::from_utf8(key.as_bytes()).unwrap_or_default();
    if stem.is_sharded() {
        writer.text(text.get(stem.as_str().len() + 1..).unwrap_or_default());
    } else {
        writer.text("{");
        writer.text(text);
        writer.text("}");
    }
    writer.finish(literal)
}

/// Whether a key that a walk found is a lease: a glob such as `*` matches those too.
pub(crate) fn is_lease(stem: &Stem, key: &Key) -> bool {
    let behind = key.as_bytes().get(stem.as_str().len()..);
    behind.is_some_and(|behind| behind.starts_with(b":%lease:"))
}

/// The channel on which those who wait for a value are woken.
pub(crate) fn wake(stem: &Stem) -> Key {
    let mut writer = KeyWriter::new();
    writer.text(stem.as_str());
    writer.text(":%wake");
    let literal = writer.len();
    writer.finish(literal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::Prefix;

    use super::*;

    #[test]
    fn a_lease_lives_in_its_value_s_slot() {
        let shop = Prefix::new("shop").unwrap();
        for (prefix, expected) in [
            (
                shop.clone(),
                "shop:cache:users:%lease:{shop:cache:users:a%3Ab}",
            ),
            (
                shop.shards(12).unwrap(),
                "shop:cache:users:%lease:{48}:a%3Ab",
            ),
        ] {
            let stem = prefix.stem("cache", "users").unwrap();
            let key = stem.key("a:b");
            let lease = lease(&stem, &key);
            assert_eq!(lease.slot(), key.slot(), "{lease:?}");
            assert!(is_lease(&stem, &lease) && !is_lease(&stem, &key));
            let text = std::str::from_utf8(lease.as_bytes()).unwrap();
            if text.contains("{48}") || !stem.is_sharded() {
                assert_eq!(text, expected);
            }
        }
    }
}
