//! The keys that locks write.

use russet_core::{Concern, Key, KeySpec, KeyTtl, KeyType, Lane, Stem};

/// Locks; `LOCK_REDIS_URL` gives them a server of their own.
pub const CONCERN: Concern = Concern::new("lock", "LOCK_REDIS_URL");

/// A script over locks alone.
macro_rules! of_locks {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/head.lua"),
            include_str!($file)
        )
    };
}

/// A script over one lock and who waits for it.
macro_rules! with_queue {
    ($flags:literal, $file:literal) => {
        concat!(
            $flags,
            include_str!("scripts/head.lua"),
            include_str!("scripts/queue.lua"),
            include_str!($file)
        )
    };
}

pub(crate) const TAKE: &str = of_locks!("", "scripts/take.lua");
pub(crate) const GIVE: &str = of_locks!("#!lua flags=allow-oom\n", "scripts/give.lua");
pub(crate) const RENEW: &str = of_locks!("#!lua flags=allow-oom\n", "scripts/renew.lua");
pub(crate) const WAIT: &str = with_queue!("", "scripts/wait.lua");
pub(crate) const HAND_ON: &str = with_queue!("#!lua flags=allow-oom\n", "scripts/hand_on.lua");
pub(crate) const FORCE: &str = with_queue!("#!lua flags=allow-oom\n", "scripts/force.lua");
pub(crate) const INSPECT: &str = with_queue!("#!lua flags=no-writes\n", "scripts/inspect.lua");

const STEM: &str = "{prefix}:lock";

/// Every kind of key that this crate writes.
pub const KEYS: &[KeySpec] = &[
    KeySpec::new(
        "locks",
        STEM,
        "{{name}}",
        KeyType::String,
        KeyTtl::Configured,
        "A lock: who holds it and until when, and its last fence, which is remembered for a while after it was released.",
    )
    .owner("locks")
    .scripts(&[TAKE, GIVE, RENEW, WAIT, HAND_ON, FORCE, INSPECT]),
    KeySpec::new(
        "locks",
        STEM,
        "{{name}}:%queue",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "Who waits for a lock, in the order of coming.",
    )
    .owner("locks")
    .scripts(&[WAIT, HAND_ON, FORCE, INSPECT]),
    KeySpec::new(
        "locks",
        STEM,
        "{{name}}:%beats",
        KeyType::SortedSet,
        KeyTtl::Configured,
        "Until when each of those who wait counts as alive.",
    )
    .owner("locks")
    .scripts(&[WAIT, HAND_ON, FORCE]),
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
    pub(crate) fn of(stem: &Stem, name: &str) -> Self {
        LockKeys {
            lock: lock(stem, name),
            queue: stem.tagged(name, Some("%queue")),
            beats: stem.tagged(name, Some("%beats")),
        }
    }

    pub(crate) fn all(&self) -> [&Key; 3] {
        [&self.lock, &self.queue, &self.beats]
    }
}

pub(crate) fn lock(stem: &Stem, name: &str) -> Key {
    stem.tagged(name, None)
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
