//! Removals that Redis has not been told of yet.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use russet_core::Key;

/// So many keys are kept; one more is an error, because a removal that is forgotten leaves a stale value behind.
const MOST: usize = 65_536;

/// Keys that were removed while Redis was away, each once. They live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    keys: Mutex<HashSet<Key>>,
    /// How many there are: nearly always none, which every read asks.
    len: AtomicUsize,
}

/// Whether a key could be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// The first one: somebody has to tell Redis.
    First,
    More,
    Full,
}

impl Pending {
    pub(crate) fn push(&self, key: Key) -> Queued {
        let mut keys = self.lock();
        if keys.len() >= MOST && !keys.contains(&key) {
            return Queued::Full;
        }
        let was_empty = keys.is_empty();
        keys.insert(key);
        self.len.store(keys.len(), Ordering::Release);
        if was_empty {
            Queued::First
        } else {
            Queued::More
        }
    }

    /// Whether a key's value in Redis is one that was removed.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.len.load(Ordering::Acquire) > 0 && self.lock().contains(key)
    }

    /// Redis was told, or has a newer value.
    pub(crate) fn settle(&self, key: &Key) {
        if self.len.load(Ordering::Acquire) > 0 {
            let mut keys = self.lock();
            keys.remove(key);
            self.len.store(keys.len(), Ordering::Release);
        }
    }

    /// Some of them.
    pub(crate) fn some(&self, most: usize) -> Vec<Key> {
        self.lock().iter().take(most).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        // No code that can panic runs under this lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_once_and_no_more_than_there_is_room_for() {
        let pending = Pending::default();
        let key = |number: usize| Key::raw(number.to_string());
        assert!(!pending.has(&key(0)));
        assert_eq!(pending.push(key(0)), Queued::First);
        for number in 0..MOST {
            assert_eq!(pending.push(key(number)), Queued::More);
        }
        assert_eq!(pending.push(key(MOST)), Queued::Full);
        assert_eq!(pending.push(key(1)), Queued::More, "it is there already");
        pending.settle(&key(7));
        assert!(!pending.has(&key(7)) && pending.has(&key(8)));
        assert_eq!(pending.some(10).len(), 10);
    }
}
