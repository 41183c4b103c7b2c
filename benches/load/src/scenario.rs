//! What is measured.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `cargo xtask bench` measures.
pub const CONCERNS: [&str; 5] = ["core", "cache", "ratelimit", "locks", "session"];

/// How many keys there are.
pub const KEYS: usize = 10_000;
/// How long each value is, in bytes.
pub const VALUE_LEN: usize = 100;
/// How long each value is that the cache's scenarios read as bytes; a [`User`](crate::User) comes to about as much.
pub const PAGE_LEN: usize = 200;
/// How many values one [`Kind::GetMany`] reads.
pub const MANY: usize = 100;
/// How long the loader of [`Kind::Herd`] takes.
pub const LOAD: Duration = Duration::from_millis(50);
/// How long the lock of [`Kind::Contended`] is held.
const HOLD: Duration = Duration::from_millis(1);

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
    /// Read one cached value, which is there.
    Hit,
    /// Store one value in the cache.
    Insert,
    /// Read one value that is not there, and load it in no time.
    Miss,
    /// Read a hundred cached values at once, which are there.
    GetMany,
    /// All tasks read the same value, which is not there and takes a while to load.
    Herd,
    /// Read one of the values in this process's memory, some much more often than others.
    Local,
    /// Read always the same value in this process's memory.
    LocalHot,
    /// Decide by a token bucket, of 10,000 subjects; nobody is denied.
    Decide,
    /// The same by a sliding window, strict, of 60 sub-windows.
    DecideWindow,
    /// The same by both, all or nothing.
    DecideBoth,
    /// Decide by a token bucket of one subject.
    DecideHot,
    /// Decide about 1,000 subjects that are denied, 19 times of 20, and about others that are not.
    DenyStorm,
    /// Decide about 16 subjects, by what was fetched ahead of them.
    Lease,
    /// Take a lock that nobody else wants, and release it.
    Free,
    /// Take a lock that all tasks want, hold it for a millisecond, and release it.
    Contended,
    /// Load one of 10,000 sessions, of so many bytes.
    SessionLoad(usize),
    /// The same, and one time of 20 change a field of it.
    SessionMix(usize),
    /// The same, and change a field of it each time.
    SessionCycle(usize),
    /// All tasks load the same session and count in it.
    SessionVisit,
}

impl Kind {
    /// How many bytes a session has.
    pub fn payload(self) -> usize {
        match self {
            Kind::SessionLoad(bytes) | Kind::SessionMix(bytes) | Kind::SessionCycle(bytes) => bytes,
            _ => 2 << 10,
        }
    }

    /// Whether a session's field is changed in a turn.
    pub fn writes(self, turn: usize) -> bool {
        match self {
            Kind::SessionCycle(_) => true,
            Kind::SessionMix(_) => turn.is_multiple_of(20),
            _ => false,
        }
    }

    /// Whether it asks for something only now and then. Then scripts and other commands are sent, and `INFO` cannot tell how many.
    pub(crate) fn is_load(self) -> bool {
        matches!(
            self,
            Kind::Miss | Kind::Herd | Kind::DenyStorm | Kind::Lease | Kind::Contended
        )
    }
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

    /// The concern that it measures: one of [`CONCERNS`].
    pub fn concern(&self) -> &'static str {
        match self.kind {
            Kind::Get | Kind::GetAlone | Kind::GetSharded | Kind::Script | Kind::ScriptAlone => {
                "core"
            }
            Kind::Decide
            | Kind::DecideWindow
            | Kind::DecideBoth
            | Kind::DecideHot
            | Kind::DenyStorm
            | Kind::Lease => "ratelimit",
            Kind::Free | Kind::Contended => "locks",
            Kind::SessionLoad(_)
            | Kind::SessionMix(_)
            | Kind::SessionCycle(_)
            | Kind::SessionVisit => "session",
            Kind::Hit
            | Kind::Insert
            | Kind::Miss
            | Kind::GetMany
            | Kind::Herd
            | Kind::Local
            | Kind::LocalHot => "cache",
        }
    }

    /// Whether a system takes part.
    pub fn has(&self, system: &str) -> bool {
        let systems: &[&str] = match self.kind {
            // `russet` stores a struct, `russet-raw` bytes as they are.
            Kind::Hit => &[
                "russet",
                "russet-raw",
                "fred",
                "redis-rs",
                "rustis",
                "cached",
                "limit",
            ],
            Kind::Insert => &["russet", "cached", "limit"],
            Kind::Miss => &["russet"],
            Kind::GetMany => &["russet", "limit"],
            Kind::Herd => &["russet", "cached"],
            Kind::Local | Kind::LocalHot => in_memory(),
            // `russet-script` is the limiter's script, called without a limiter.
            Kind::Decide if self.tasks == 1 => &[
                "russet",
                "russet-script",
                "trypema",
                "throttle-kit",
                "limitador",
                "zset-log",
                "limit",
            ],
            Kind::Decide => &[
                "russet",
                "trypema",
                "throttle-kit",
                "limitador",
                "zset-log",
                "limit",
            ],
            Kind::DecideHot => &["russet", "trypema", "throttle-kit", "limitador", "zset-log"],
            Kind::DecideWindow => &["russet", "limit"],
            Kind::DecideBoth => &["russet"],
            Kind::DenyStorm => &["russet"],
            Kind::Lease => &["russet", "trypema-hybrid"],
            // `russet-core` sends by the same client what rslock sends: no fence, no queue.
            Kind::Free if self.tasks == 1 => &["russet", "russet-core", "rslock"],
            // `russet-rw` is a read-write lock, whose calls share no scripts.
            Kind::Free => &["russet", "russet-rw", "rslock", "limit"],
            Kind::Contended => &["russet", "rslock"],
            Kind::SessionLoad(_) => &["russet", "tower-sessions-redis-store", "limit"],
            Kind::SessionMix(_) | Kind::SessionCycle(_) | Kind::SessionVisit => {
                &["russet", "tower-sessions-redis-store"]
            }
            // fred's cluster client hangs while slots move.
            _ if self.cluster == Some(Slots::Move) => &["russet"],
            _ if self.cluster.is_some() => &["russet", "fred"],
            Kind::Get | Kind::GetAlone if self.delay_ms > 0 => &["russet", "fred"],
            Kind::Get | Kind::GetAlone => &["russet", "fred", "redis-rs", "rustis", "limit"],
            Kind::GetSharded | Kind::Script | Kind::ScriptAlone => &["russet", "limit"],
        };
        systems.contains(&system)
    }
}

/// The systems that read this process's memory.
const fn in_memory() -> &'static [&'static str] {
    &["russet", "quick_cache", "moka"]
}

/// The scenarios of all concerns, one concern behind the other.
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
    // The cache.
    Scenario::new("hit_1", Kind::Hit, 1, 0),
    Scenario::new("hit_256", Kind::Hit, 256, 0),
    Scenario::new("insert_64", Kind::Insert, 64, 0),
    Scenario::new("miss", Kind::Miss, 1, 0),
    Scenario::new("get_many_100", Kind::GetMany, 1, 0),
    Scenario::new("herd_10k", Kind::Herd, 10_000, 0),
    // Here a task is a thread.
    Scenario::new("local_t1", Kind::Local, 1, 0),
    Scenario::new("local_t2", Kind::Local, 2, 0),
    Scenario::new("local_hot_t1", Kind::LocalHot, 1, 0),
    Scenario::new("local_hot_t2", Kind::LocalHot, 2, 0),
    // The limiter.
    Scenario::new("decide_1", Kind::Decide, 1, 0),
    Scenario::new("decide_64", Kind::Decide, 64, 0),
    Scenario::new("decide_256", Kind::Decide, 256, 0),
    Scenario::new("window_256", Kind::DecideWindow, 256, 0),
    Scenario::new("both_256", Kind::DecideBoth, 256, 0),
    Scenario::new("hot_64", Kind::DecideHot, 64, 0),
    Scenario::new("deny_storm", Kind::DenyStorm, 64, 0),
    Scenario::new("lease", Kind::Lease, 64, 0),
    // Locks.
    Scenario::new("free_1", Kind::Free, 1, 0),
    Scenario::new("free_64", Kind::Free, 64, 0),
    Scenario::new("contended_16", Kind::Contended, 16, 0),
    // Sessions.
    Scenario::new("load_64", Kind::SessionLoad(2 << 10), 64, 0),
    Scenario::new("mix_2k", Kind::SessionMix(2 << 10), 64, 0),
    Scenario::new("mix_20k", Kind::SessionMix(20 << 10), 64, 0),
    Scenario::new("cycle_2k", Kind::SessionCycle(2 << 10), 64, 0),
    Scenario::new("cycle_20k", Kind::SessionCycle(20 << 10), 64, 0),
    Scenario::new("visits_64", Kind::SessionVisit, 64, 0),
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

/// The key of a turn in the cache's scenarios, for clients that read bytes as they are.
pub fn page(turn: usize) -> &'static str {
    static PAGES: LazyLock<Names> = LazyLock::new(|| names("page"));
    PAGES[turn.wrapping_mul(7919) % PAGES.len()]
}

/// What a client that knows nothing of caches reads in a turn: a key, and how long its value is.
pub fn raw(kind: Kind, turn: usize) -> (&'static str, usize) {
    match kind {
        Kind::GetSharded => (sharded_key(turn), VALUE_LEN),
        Kind::Hit => (page(turn), PAGE_LEN),
        _ => (key(turn), VALUE_LEN),
    }
}

/// The subject of a turn in the limiter's scenarios.
pub fn subject(kind: Kind, turn: usize) -> &'static str {
    static SUBJECTS: LazyLock<Names> = LazyLock::new(|| names("user"));
    match kind {
        Kind::DecideHot => SUBJECTS[0],
        Kind::Lease => SUBJECTS[turn % 16],
        _ => SUBJECTS[turn.wrapping_mul(7919) % SUBJECTS.len()],
    }
}

/// The lock of a turn.
pub fn lock(kind: Kind, turn: usize) -> &'static str {
    match kind {
        Kind::Contended => subject(Kind::DecideHot, turn),
        // Tasks are so far apart that no two meet.
        _ => subject(kind, turn),
    }
}

/// Holds a lock as long as its kind says: that is the work, and no wait for anything.
pub async fn hold(kind: Kind) {
    if kind == Kind::Contended {
        tokio::time::sleep(HOLD).await;
    }
}

/// The number of the cached value of a turn.
pub fn number(turn: usize) -> u64 {
    (turn.wrapping_mul(7919) % KEYS) as u64
}

/// The number of a cached value that nobody has asked for yet, in this process or in one before it.
pub fn fresh() -> u64 {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // 2^64 ns are 584 years.
        AtomicU64::new(now.as_nanos() as u64)
    });
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// All names, made once: writing numbers as text shall not be what is measured.
type Names = Vec<&'static str>;

fn names(kind: &str) -> Names {
    let name = |number| &*format!("{kind}:{number:012}").leak();
    (0..KEYS).map(name).collect()
}
