//! What is measured.

use std::sync::LazyLock;

/// How many keys there are.
pub const KEYS: usize = 10_000;
/// How long each value is, in bytes.
pub const VALUE_LEN: usize = 100;

/// One scenario; its parameters never change under its id.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// The id.
    pub id: &'static str,
    /// The operation.
    pub kind: Kind,
    /// Tasks, each with one operation under way.
    pub tasks: usize,
    /// How much longer a proxy makes a round trip, in milliseconds; 0 is no proxy.
    pub delay_ms: u64,
    /// Whether a cluster of three primaries serves it, and what happens there.
    pub cluster: Option<Slots>,
}

/// What a cluster's slots do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slots {
    /// They stay.
    Stay,
    /// One after the other moves to another primary.
    Move,
}

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Read one value, coalesced where the system can.
    Get,
    /// Read one value by a command of its own.
    GetAlone,
    /// Read one value of keys in twelve slots, coalesced where the system can.
    GetSharded,
    /// Take a token from one of 10,000 buckets by a script, coalesced: at most 64 keys a call.
    Script,
    /// Take a token by a script call of its own.
    ScriptAlone,
}

impl Scenario {
    const fn new(id: &'static str, kind: Kind, tasks: usize, delay_ms: u64) -> Self {
        Scenario {
            id,
            kind,
            tasks,
            delay_ms,
            cluster: None,
        }
    }

    const fn clustered(id: &'static str, kind: Kind, slots: Slots) -> Self {
        Scenario {
            cluster: Some(slots),
            ..Scenario::new(id, kind, 256, 0)
        }
    }

    /// Whether a system takes part.
    pub fn has(&self, system: &str) -> bool {
        match (self.kind, system) {
            (_, "russet") => true,
            // fred's cluster client hangs while slots move.
            _ if self.cluster == Some(Slots::Move) => false,
            (_, system) if self.cluster.is_some() => system == "fred",
            (Kind::Get | Kind::GetAlone, "fred") => true,
            (Kind::Get | Kind::GetAlone, _) => self.delay_ms == 0,
            (_, "limit") => true,
            _ => false,
        }
    }
}

/// The scenarios of core.
pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("get_1", Kind::Get, 1, 0),
    Scenario::new("get_16", Kind::Get, 16, 0),
    Scenario::new("get_64", Kind::Get, 64, 0),
    Scenario::new("get_256", Kind::Get, 256, 0),
    Scenario::new("get_1024", Kind::Get, 1024, 0),
    Scenario::new("alone_1", Kind::GetAlone, 1, 0),
    Scenario::new("alone_64", Kind::GetAlone, 64, 0),
    Scenario::new("script_64", Kind::Script, 256, 0),
    Scenario::new("script_alone", Kind::ScriptAlone, 256, 0),
    Scenario::new("get_1_1ms", Kind::Get, 1, 1),
    Scenario::new("get_16_1ms", Kind::Get, 16, 1),
    Scenario::new("get_64_1ms", Kind::Get, 64, 1),
    Scenario::new("get_256_1ms", Kind::Get, 256, 1),
    Scenario::new("get_1_5ms", Kind::Get, 1, 5),
    Scenario::new("get_16_5ms", Kind::Get, 16, 5),
    Scenario::new("get_64_5ms", Kind::Get, 64, 5),
    Scenario::new("get_256_5ms", Kind::Get, 256, 5),
    // Those that move slots last: where they end is not where they began.
    Scenario::clustered("cluster_256", Kind::Get, Slots::Stay),
    Scenario::clustered("cluster_alone_256", Kind::GetAlone, Slots::Stay),
    Scenario::clustered("cluster_shards_256", Kind::GetSharded, Slots::Stay),
    Scenario::clustered("cluster_256_moving", Kind::Get, Slots::Move),
    Scenario::clustered("cluster_shards_256_moving", Kind::GetSharded, Slots::Move),
];

/// The script of [`Kind::Script`].
pub const TOKEN_BUCKET: &str = include_str!("scripts/token_bucket.lua");
/// The arguments that all its keys share: capacity and tokens a second. So many that nobody is ever denied.
pub const TOKEN_BUCKET_ARGS: [u32; 2] = [1_000_000, 1_000_000];

/// The key of a turn.
pub fn key(turn: usize) -> &'static str {
    // As redis-benchmark names them, so that its GET finds the same values.
    static KEYS: LazyLock<Names> = LazyLock::new(|| names("key"));
    KEYS[turn.wrapping_mul(7919) % KEYS.len()]
}

/// The key of a turn in a namespace of twelve shards, as `Namespace::shards` spreads them.
pub fn sharded_key(turn: usize) -> &'static str {
    static KEYS: LazyLock<Names> = LazyLock::new(|| {
        let tags = TAGS.iter().cycle();
        let name = |(number, tag)| &*format!("{{{tag}}}:key:{number:012}").leak();
        (0..self::KEYS).zip(tags).map(name).collect()
    });
    KEYS[turn.wrapping_mul(7919) % KEYS.len()]
}

/// Hash tags whose slots are evenly spaced.
pub const TAGS: [&str; 12] = [
    "18", "7", "50", "19", "33", "51", "106", "5", "49", "107", "4", "48",
];

/// The bucket of a turn.
pub fn bucket(turn: usize) -> &'static str {
    static BUCKETS: LazyLock<Names> = LazyLock::new(|| names("bucket"));
    BUCKETS[turn.wrapping_mul(7919) % BUCKETS.len()]
}

/// All names, made once: writing numbers as text shall not be what is measured.
type Names = Vec<&'static str>;

fn names(kind: &str) -> Names {
    let name = |number| &*format!("{kind}:{number:012}").leak();
    (0..KEYS).map(name).collect()
}
