//! The keys that locks write.

use russet_core::{Concern, Key, KeySpec, KeyTtl, KeyType, Lane, Script, Stem};

use crate::claim::Want;

/// Locks; `LOCK_REDIS_URL` gives them a server of their own.
pub const CONCERN: Concern = Concern::new("lock", "LOCK_REDIS_URL");

/// A script over many mutexes.
macro_rules! of_many {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/clock.lua"),
            include_str!($file)
        )
    };
}

/// A script over one lock and who waits for it.
macro_rules! with_queue {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/clock.lua"),
            include_str!("scripts/mutex.lua"),
            include_str!("scripts/queue.lua"),
            include_str!("scripts/hand.lua"),
            include_str!($file)
        )
    };
}

/// A script over what several may hold, and who waits for it.
macro_rules! of_shares {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/clock.lua"),
            include_str!("scripts/queue.lua"),
            include_str!("scripts/shares.lua"),
            include_str!($file)
        )
    };
}

pub(crate) const TAKE: &str = of_many!("", "scripts/take.lua");
pub(crate) const GIVE: &str = concat!("#!lua flags=allow-oom\n", include_str!("scripts/give.lua"));
pub(crate) const RENEW: &str = of_many!("#!lua flags=allow-oom\n", "scripts/renew.lua");
pub(crate) const WAIT: &str = with_queue!("", "scripts/wait.lua");
pub(crate) const HAND_ON: &str = with_queue!("#!lua flags=allow-oom\n", "scripts/hand_on.lua");
pub(crate) const FORCE: &str = with_queue!("#!lua flags=allow-oom\n", "scripts/force.lua");
pub(crate) const INSPECT: &str = with_queue!("#!lua flags=no-writes\n", "scripts/inspect.lua");

pub(crate) const WAIT_SHARE: &str = of_shares!("", "scripts/wait_share.lua");
pub(crate) const HAND_ON_SHARE: &str =
    of_shares!("#!lua flags=allow-oom\n", "scripts/hand_on_share.lua");
pub(crate) const RENEW_SHARE: &str =
    of_shares!("#!lua flags=allow-oom\n", "scripts/renew_share.lua");
pub(crate) const FORCE_SHARE: &str =
    of_shares!("#!lua flags=allow-oom\n", "scripts/force_share.lua");
pub(crate) const INSPECT_SHARE: &str =
    of_shares!("#!lua flags=no-writes\n", "scripts/inspect_share.lua");

/// So many keys a call that client and server work at the same time when 64 tasks take locks; with more they take turns.
pub(crate) static TAKING: Script = Script::new(TAKE).at_most_keys(16);
pub(crate) static GIVING: Script = Script::new(GIVE).at_most_keys(16);
static WAITING: Script = Script::new(WAIT);
static WAITING_SHARE: Script = Script::new(WAIT_SHARE);

const STEM: &str = "{prefix}:lock";

const OF_MUTEX: &[&str] = &[TAKE, GIVE, RENEW, WAIT, HAND_ON, FORCE, INSPECT];
const OF_SHARES: &[&str] = &[
    WAIT_SHARE,
    HAND_ON_SHARE,
    RENEW_SHARE,
    FORCE_SHARE,
    INSPECT_SHARE,
];

const fn spec(pattern: &'static str, kind: KeyType, what: &'static str) -> KeySpec {
    KeySpec::new("locks", STEM, pattern, kind, KeyTtl::Configured, what).owner("locks")
}

const QUEUE: &str = "Who waits for it, in the order of coming.";
const BEATS: &str = "Until when each of those who wait for it counts as alive.";

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    spec(
        "{{name}}",
        KeyType::String,
        "A mutex: who holds it and until when, and its last fence, which is remembered for a while after it was released.",
    )
    .scripts(OF_MUTEX)
    .commands(&["WAIT"]),
    spec("{{name}}:%queue", KeyType::SortedSet, QUEUE).scripts(OF_MUTEX),
    spec("{{name}}:%beats", KeyType::SortedSet, BEATS).scripts(OF_MUTEX),
    spec(
        "{{name}}:%rw",
        KeyType::Hash,
        "A read-write lock: each of those who hold it, and until when.",
    )
    .scripts(OF_SHARES),
    spec("{{name}}:%rw:queue", KeyType::SortedSet, QUEUE).scripts(OF_SHARES),
    spec("{{name}}:%rw:beats", KeyType::SortedSet, BEATS).scripts(OF_SHARES),
    spec(
        "{{name}}:%permits",
        KeyType::Hash,
        "A semaphore: each of those who hold permits, and until when.",
    )
    .scripts(OF_SHARES),
    spec("{{name}}:%permits:queue", KeyType::SortedSet, QUEUE).scripts(OF_SHARES),
    spec("{{name}}:%permits:beats", KeyType::SortedSet, BEATS).scripts(OF_SHARES),
    KeySpec::new(
        "locks",
        STEM,
        "%wake:{instance}",
        KeyType::Channel,
        KeyTtl::Persistent,
        "What a process is told: that a lock was handed to it, or taken from it.",
    )
    .owner("locks")
    .commands(&["PUBLISH"]),
];

/// A lock's key and those beside it, in one slot.
pub(crate) struct LockKeys {
    lock: Key,
    queue: Key,
    beats: Key,
}

impl LockKeys {
    pub(crate) fn of(stem: &Stem, name: &str, want: Want) -> Self {
        let [lock, queue, beats] = match want {
            Want::Whole => [None, Some("%queue"), Some("%beats")],
            Want::Read | Want::Write => [Some("%rw"), Some("%rw:queue"), Some("%rw:beats")],
            Want::Permits { .. } => [
                Some("%permits"),
                Some("%permits:queue"),
                Some("%permits:beats"),
            ],
        }
        .map(|attribute| stem.tagged(name, attribute));
        LockKeys { lock, queue, beats }
    }

    pub(crate) fn all(&self) -> [&Key; 3] {
        [&self.lock, &self.queue, &self.beats]
    }

    /// The one that says who holds it.
    pub(crate) fn lock(self) -> Key {
        self.lock
    }
}

/// A mutex' key alone.
pub(crate) fn mutex(stem: &Stem, name: &str) -> Key {
    stem.tagged(name, None)
}

/// What takes it, or waits for it.
pub(crate) fn waiting(want: Want) -> &'static Script {
    match want.is_shared() {
        true => &WAITING_SHARE,
        false => &WAITING,
    }
}

/// What may share a script, so many at most: all off clusters, there what lives in one slot.
pub(crate) fn by_group<T>(lane: &Lane, all: Vec<(T, Key)>, most: usize) -> Vec<Vec<(T, Key)>> {
    let mut groups: Vec<(u16, Vec<(T, Key)>)> = Vec::new();
    for (one, key) in all {
        let slot = if lane.is_cluster() { key.slot() } else { 0 };
        let open = groups
            .iter_mut()
            .find(|(of, group)| *of == slot && group.len() < most);
        match open {
            Some((_, group)) => group.push((one, key)),
            None => groups.push((slot, vec![(one, key)])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}
