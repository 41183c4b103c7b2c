//! The keys that a cache writes.

use russet_core::{Concern, Key, KeySpec, KeyTtl, KeyType, KeyWriter, Stem};

/// Caching; `CACHE_REDIS_URL` gives it a server of its own.
pub const CONCERN: Concern = Concern::new("cache", "CACHE_REDIS_URL");

pub(crate) const INCREMENT: &str = include_str!("scripts/increment.lua");
pub(crate) const RELEASE: &str = include_str!("scripts/release.lua");
pub(crate) const RENEW: &str = include_str!("scripts/renew.lua");

/// The scripts that read the control state begin with what they share.
macro_rules! with_control {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/control.lua"),
            include_str!($file)
        )
    };
}
pub(crate) const ACQUIRE: &str = with_control!("", "scripts/acquire.lua");
pub(crate) const CLAIM: &str = with_control!("", "scripts/claim.lua");
pub(crate) const FILL: &str = with_control!("", "scripts/fill.lua");
pub(crate) const STORE: &str = with_control!("", "scripts/store.lua");
pub(crate) const EXTEND: &str = with_control!("", "scripts/extend.lua");
pub(crate) const REMOVE: &str = with_control!("#!lua flags=allow-oom\n", "scripts/remove.lua");
pub(crate) const BUST: &str = with_control!("#!lua flags=allow-oom\n", "scripts/bust.lua");
pub(crate) const FOLLOW: &str = with_control!("#!lua flags=allow-oom\n", "scripts/follow.lua");
pub(crate) const OPEN: &str = with_control!("#!lua flags=allow-oom\n", "scripts/open.lua");
pub(crate) const INVALIDATE: &str =
    with_control!("#!lua flags=allow-oom\n", "scripts/invalidate.lua");
pub(crate) const CLEAR: &str = with_control!("#!lua flags=allow-oom\n", "scripts/clear.lua");
pub(crate) const GATE: &str = with_control!("#!lua flags=allow-oom\n", "scripts/gate.lua");
pub(crate) const TAGS: &str = with_control!("#!lua flags=no-writes\n", "scripts/tags.lua");
pub(crate) const PEEK: &str = with_control!("#!lua flags=no-writes\n", "scripts/peek.lua");

const STEM: &str = "{prefix}:cache:{cache}";

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new(
        "cache",
        STEM,
        "{key..}",
        KeyType::String,
        KeyTtl::Configured,
        "One cached value: an entry's head, the codec's header, the value; of a cache of counters a number in decimal, of one of \
         plain JSON the bare value.",
    )
    .owner("cache")
    .commands(&[
        "DEL", "EXISTS", "GET", "MGET", "PEXPIRE", "PTTL", "SCAN", "SET", "UNLINK",
    ])
    .scripts(&[
        ACQUIRE, BUST, CLAIM, FILL, STORE, REMOVE, PEEK, EXTEND, INCREMENT,
    ]),
    KeySpec::new(
        "cache",
        STEM,
        "%lease:{{key..}}",
        KeyType::String,
        KeyTtl::Configured,
        "Who loads a value: a token, with a `+` behind it if somebody waits; the hash tag is the value's whole key, or its shard.",
    )
    .owner("cache")
    .commands(&["DEL", "GETDEL"])
    .scripts(&[ACQUIRE, BUST, CLAIM, FILL, STORE, REMOVE, RELEASE, RENEW]),
    KeySpec::new(
        "cache",
        STEM,
        "%control:{{shard}}",
        KeyType::String,
        KeyTtl::Configured,
        "Which entries hold: `1 <epoch> <clock> <floor> <gate>`; the hash tag is the cache's name, or a shard.",
    )
    .owner("cache")
    .commands(&["GET", "MGET"])
    .scripts(&[
        ACQUIRE, BUST, CLAIM, FILL, STORE, OPEN, INVALIDATE, CLEAR, GATE, TAGS, PEEK,
    ]),
    KeySpec::new(
        "cache",
        STEM,
        "%tags:{{shard}}",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The invalidated tags by the clock at which they last were, and the epoch they are of.",
    )
    .owner("cache")
    .scripts(&[ACQUIRE, CLAIM, FILL, STORE, OPEN, INVALIDATE, CLEAR, GATE, TAGS]),
    KeySpec::new(
        "cache",
        STEM,
        "%changes:{{shard}}",
        KeyType::Stream,
        KeyTtl::Seconds(600),
        "The last changes, for processes that keep values in their memory; there while one of them follows.",
    )
    .owner("cache")
    .scripts(&[
        BUST, CLAIM, FILL, STORE, REMOVE, EXTEND, INVALIDATE, CLEAR, GATE, FOLLOW,
    ]),
    KeySpec::new(
        "cache",
        STEM,
        "%hot",
        KeyType::String,
        KeyTtl::Seconds(604_800),
        "The keys that a process read most when it ended, for the next one to load: `1`, and a line for each.",
    )
    .owner("cache")
    .commands(&["GET", "SET"]),
    KeySpec::new(
        "cache",
        STEM,
        "%changed",
        KeyType::Channel,
        KeyTtl::Persistent,
        "The changes as they happen: `1 <shard> <id> <by> <change>`.",
    )
    .owner("cache")
    .commands(&["PUBLISH"]),
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

/// The keys of what says which entries hold, of the tags, and of the changes; one each for a cache, or for a shard of it.
pub(crate) fn control(stem: &Stem, tag: &str) -> [Key; 3] {
    let key = |name| {
        let mut writer = KeyWriter::new();
        writer.text(stem.as_str());
        writer.text(name);
        let literal = writer.len();
        writer.text(tag);
        writer.finish(literal)
    };
    [":%control:", ":%tags:", ":%changes:"].map(key)
}

/// Whether a key that a walk found is none of a value: a glob such as `*` matches those too.
pub(crate) fn is_beside(stem: &Stem, key: &Key) -> bool {
    let behind = key.as_bytes().get(stem.as_str().len()..);
    behind.is_some_and(|behind| {
        [
            &b":%lease:"[..],
            b":%control:",
            b":%tags:",
            b":%changes:",
            b":%hot",
        ]
        .iter()
        .any(|name| behind.starts_with(name))
    })
}

/// The channel on which those who wait for a value are woken.
pub(crate) fn wake(stem: &Stem) -> Key {
    literal(stem, ":%wake")
}

/// The channel on which changes are told.
pub(crate) fn changed(stem: &Stem) -> Key {
    literal(stem, ":%changed")
}

/// The key of the keys that are read most.
pub(crate) fn hot(stem: &Stem) -> Key {
    literal(stem, ":%hot")
}

fn literal(stem: &Stem, name: &str) -> Key {
    let mut writer = KeyWriter::new();
    writer.text(stem.as_str());
    writer.text(name);
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
            assert!(is_beside(&stem, &lease) && !is_beside(&stem, &key));
            let text = std::str::from_utf8(lease.as_bytes()).unwrap();
            if text.contains("{48}") || !stem.is_sharded() {
                assert_eq!(text, expected);
            }
        }
    }
}
