//! Invalidations that Redis has not been told of yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use russet_core::Key;

use crate::wire::Head;

/// So many are kept; one more is an error, because an invalidation that is forgotten leaves a stale value behind.
const MOST: usize = 65_536;

/// What was invalidated while Redis was away, each once: the last one wins. They live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Each with its number.
    changes: Mutex<HashMap<Change, u64>>,
    /// How many were pushed, again and again counted: what tells a change from the same one made later.
    pushed: AtomicU64,
    /// How many there are: nearly always none, which every read asks.
    len: AtomicUsize,
}

/// One invalidation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// A value is removed.
    Key(Key),
    /// A tag is invalidated.
    Tag(String),
    /// The cache is cleared.
    All,
}

/// Whether a change could be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// The first one: somebody has to tell Redis.
    First,
    More,
    Full,
}

impl Pending {
    pub(crate) fn push(&self, change: Change) -> Queued {
        let mut changes = self.lock();
        if changes.len() >= MOST && !changes.contains_key(&change) {
            return Queued::Full;
        }
        let was_empty = changes.is_empty();
        changes.insert(change, self.pushed.fetch_add(1, Ordering::Relaxed) + 1);
        self.len.store(changes.len(), Ordering::Release);
        if was_empty {
            Queued::First
        } else {
            Queued::More
        }
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// Whether a key's value in Redis is one that was removed, or cleared.
    pub(crate) fn has(&self, key: &Key) -> bool {
        if self.is_empty() {
            return false;
        }
        let changes = self.lock();
        changes.contains_key(&Change::All) || changes.contains_key(&Change::Key(key.clone()))
    }

    /// Whether an entry has a tag that was invalidated.
    pub(crate) fn has_tag_of(&self, head: &Head<'_>) -> bool {
        if self.is_empty() || !head.has_tags() {
            return false;
        }
        let changes = self.lock();
        head.tags()
            .any(|tag| changes.contains_key(&Change::Tag(tag.to_owned())))
    }

    /// A point in the order of changes, for [`settle`](Pending::settle).
    pub(crate) fn now(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Redis was told, or was given something newer, by a call that began at this point. What was changed since is not settled
    /// by it.
    pub(crate) fn settle(&self, change: &Change, began: u64) {
        if !self.is_empty() {
            let mut changes = self.lock();
            if changes.get(change).is_some_and(|&number| number <= began) {
                changes.remove(change);
            }
            self.len.store(changes.len(), Ordering::Release);
        }
    }

    /// Some of them.
    pub(crate) fn some(&self, most: usize) -> Vec<Change> {
        self.lock().keys().take(most).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Change, u64>> {
        // No code that can panic runs under this lock.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_no_more_than_there_is_room_for() {
        let pending = Pending::default();
        let key = |number: usize| Key::raw(number.to_string());
        let change = |number: usize| Change::Key(key(number));
        assert!(!pending.has(&key(0)));
        assert_eq!(pending.push(change(0)), Queued::First);
        for number in 0..MOST {
            assert_eq!(pending.push(change(number)), Queued::More);
        }
        assert_eq!(pending.push(change(MOST)), Queued::Full);
        assert_eq!(
            pending.push(Change::Tag("1".to_owned())),
            Queued::Full,
            "a tag is no key"
        );
        assert_eq!(pending.push(change(1)), Queued::More, "it is there already");
        let began = pending.now();
        pending.push(change(8));
        pending.settle(&change(8), began);
        assert!(pending.has(&key(8)), "changed again since");
        pending.settle(&change(7), began);
        assert!(!pending.has(&key(7)) && pending.has(&key(8)));
        assert_eq!(pending.push(Change::All), Queued::More);
        assert!(pending.has(&key(7)), "all are cleared");
        assert_eq!(pending.some(3).len(), 3);
        for number in 0..MOST {
            pending.settle(&change(number), pending.now());
        }
        pending.settle(&Change::All, pending.now());
        assert!(pending.is_empty() && !pending.has(&key(8)));
    }
}
