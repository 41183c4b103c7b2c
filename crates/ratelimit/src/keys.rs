//! The keys that a limiter writes.

use russet_core::{
    Concern, Key, KeyPart, KeySpec, KeyTtl, KeyType, KeyWriter, PartShape, PartWriter, Stem,
};

/// Rate limits; `RATE_LIMIT_REDIS_URL` gives them a server of their own.
pub const CONCERN: Concern = Concern::new("ratelimit", "RATE_LIMIT_REDIS_URL");

/// A script of one policy's algorithm.
macro_rules! take {
    ($($algorithm:literal),+) => {
        concat!(
            include_str!("scripts/head.lua"),
            $(include_str!(concat!("scripts/policy/", $algorithm, ".lua")),)+
            include_str!("scripts/take.lua")
        )
    };
}

/// A script of all algorithms.
macro_rules! with_policies {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/head.lua"),
            include_str!("scripts/policy/token_bucket.lua"),
            include_str!("scripts/policy/sliding_window.lua"),
            include_str!("scripts/policy/counter.lua"),
            include_str!("scripts/policy/fixed_window.lua"),
            include_str!("scripts/policy/calendar.lua"),
            include_str!("scripts/policy/sliding_log.lua"),
            include_str!("scripts/policy/cooldown.lua"),
            include_str!("scripts/subject.lua"),
            include_str!("scripts/look.lua"),
            include_str!($file)
        )
    };
}

/// A script without any.
macro_rules! with_subject {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/head.lua"),
            include_str!("scripts/subject.lua"),
            include_str!($file)
        )
    };
}

pub(crate) const TAKE_TOKENS: &str = take!("token_bucket");
pub(crate) const TAKE_SLIDING: &str = take!("sliding_window");
pub(crate) const TAKE_FIXED: &str = take!("counter", "fixed_window");
pub(crate) const TAKE_COOLDOWN: &str = take!("cooldown");
pub(crate) const DECIDE: &str = with_policies!("", "scripts/decide.lua");
pub(crate) const PEEK: &str = with_policies!("#!lua flags=no-writes\n", "scripts/peek.lua");
pub(crate) const RESET: &str = with_subject!("#!lua flags=allow-oom\n", "scripts/reset.lua");
pub(crate) const BLOCK: &str = with_subject!("", "scripts/block.lua");
pub(crate) const UNBLOCK: &str = with_subject!("#!lua flags=allow-oom\n", "scripts/unblock.lua");
pub(crate) const OVERRIDE: &str = with_subject!("", "scripts/override.lua");

/// A script about permits.
macro_rules! of_permits {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/head.lua"),
            include_str!(concat!("scripts/permit/", $file, ".lua"))
        )
    };
}

pub(crate) const ACQUIRE: &str = of_permits!("", "acquire");
pub(crate) const RENEW: &str = of_permits!("#!lua flags=allow-oom\n", "renew");
pub(crate) const COUNT: &str = of_permits!("#!lua flags=no-writes\n", "count");

pub(crate) const TALLY: &str = include_str!("scripts/tally.lua");

const STEM: &str = "{prefix}:ratelimit:{limiter}";

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new(
        "ratelimit",
        STEM,
        "{{subject..}}",
        KeyType::Hash,
        KeyTtl::Configured,
        "What is counted of a subject, a field for each policy; and `!block`, `!denials`, `!limit:<policy>`.",
    )
    .owner("ratelimit")
    .scripts(&[
        TAKE_TOKENS,
        TAKE_SLIDING,
        TAKE_FIXED,
        TAKE_COOLDOWN,
        DECIDE,
        PEEK,
        RESET,
        BLOCK,
        UNBLOCK,
        OVERRIDE,
    ]),
    KeySpec::new(
        "ratelimit",
        STEM,
        "{{subject..}}:%log:{policy}",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The calls that a sliding log counts, by their time: `<cost>:<time>:<number>`.",
    )
    .owner("ratelimit")
    .scripts(&[DECIDE, PEEK, RESET]),
    KeySpec::new(
        "ratelimit",
        STEM,
        "%minute:{{minute}}",
        KeyType::Hash,
        KeyTtl::Configured,
        "What was decided within a minute since 1970: `allowed`, `blocked`, `degraded`, `allowed:<policy>`, `denied:<policy>`, `would_deny:<policy>`.",
    )
    .owner("ratelimit")
    .commands(&["HGETALL"])
    .scripts(&[TALLY]),
    KeySpec::new(
        "ratelimit",
        STEM,
        "%denied:{{minute}}",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "The subjects that were denied most within a minute, and about how often.",
    )
    .owner("ratelimit")
    .commands(&["ZREVRANGE"])
    .scripts(&[TALLY]),
    KeySpec::new(
        "ratelimit",
        "{prefix}:concurrency:{concurrency}",
        "{{subject..}}",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "Who is under way: the ids of permits, by when each ends unless it is renewed.",
    )
    .owner("ratelimit")
    .commands(&["ZREM"])
    .scripts(&[ACQUIRE, RENEW, COUNT]),
];

/// Those of a limiter, and those of a [`Concurrency`](crate::Concurrency).
pub(crate) fn of_each() -> (&'static [KeySpec], &'static [KeySpec]) {
    KEYS.split_at(KEYS.len() - 1)
}

/// The key of a subject's counts.
pub(crate) fn subject<S: KeyPart + ?Sized>(stem: &Stem, subject: &S) -> Key {
    stem.tagged(subject, None)
}

/// The same for one operation.
pub(crate) fn subject_of<S: KeyPart + ?Sized>(stem: &Stem, operation: &str, subject: &S) -> Key {
    struct Of<'a, S: ?Sized>(&'a str, &'a S);
    impl<S: KeyPart + ?Sized> KeyPart for Of<'_, S> {
        const SHAPE: PartShape = PartShape::Several;

        fn write_part(&self, out: &mut PartWriter<'_>) {
            out.text(self.0);
            out.next_part();
            self.1.write_part(out);
        }
    }
    stem.tagged(&Of(operation, subject), None)
}

/// The keys of what was decided within a minute, and of whom was denied.
pub(crate) fn tally(stem: &Stem, minute: u64) -> [Key; 2] {
    [":%minute:{", ":%denied:{"].map(|name| {
        let mut writer = KeyWriter::new();
        writer.text(stem.as_str());
        writer.text(name);
        writer.value(&minute);
        writer.text("}");
        let literal = writer.len();
        writer.finish(literal)
    })
}

/// The key of a log, in the slot of its subject.
pub(crate) fn log(stem: &Stem, subject: &Key, policy: &str) -> Key {
    let mut writer = KeyWriter::new();
    // Raw keys of ours are text.
    writer.text(std::str::from_utf8(subject.as_bytes()).unwrap_or_default());
    writer.text(":%log:");
    writer.text(policy);
    writer.finish(stem.as_str().len() + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::Prefix;

    use super::*;

    #[test]
    fn a_log_lives_in_its_subject_s_slot() {
        let shop = Prefix::new("shop").unwrap();
        for prefix in [shop.clone(), shop.shards(12).unwrap()] {
            let stem = prefix.stem("ratelimit", "api").unwrap();
            let key = subject(&stem, "user:42");
            let log = log(&stem, &key, "sliding_log");
            assert_eq!(log.slot(), key.slot(), "{log:?}");
        }
        let stem = shop_stem();
        let key = subject(&stem, "user:42");
        assert_eq!(key.as_bytes(), b"shop:ratelimit:api:{user%3A42}");
        let log = log(&stem, &key, "reset");
        assert_eq!(log.as_bytes(), b"shop:ratelimit:api:{user%3A42}:%log:reset");
        assert_eq!(log.to_string(), "shop:ratelimit:api:…");
    }

    fn shop_stem() -> Stem {
        Prefix::new("shop")
            .unwrap()
            .stem("ratelimit", "api")
            .unwrap()
    }
}
