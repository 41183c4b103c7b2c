//! What keeps values in memory, and forgets those that are read least.

use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::local::Kept;

/// What the local tier needs of a cache in memory.
pub(crate) trait Memory<V> {
    fn new(bytes: u64) -> Self;
    fn get(&self, part: &str) -> Option<Kept<V>>;
    fn insert(&self, part: &str, kept: Kept<V>);
    fn remove(&self, part: &str);
    /// Forgets those keys of which this is not true.
    fn retain(&self, keeps: impl Fn(&str) -> bool);
    fn clear(&self);
}

/// `quick_cache`: S3-FIFO, so that what is read once does not push out what is read often.
pub(crate) struct Quick<V>(Cache<Box<str>, Kept<V>, Weigh, RandomState>);

#[derive(Clone)]
pub(crate) struct Weigh;

/// What a key and a value take besides their bytes, about.
const OVERHEAD: u64 = 128;
/// How many bytes a value has, about, before any is known.
const GUESS: u64 = 512;

impl<V> Weighter<Box<str>, Kept<V>> for Weigh {
    fn weight(&self, _: &Box<str>, kept: &Kept<V>) -> u64 {
        u64::from(kept.weight) + OVERHEAD
    }
}

impl<V> Memory<V> for Quick<V> {
    fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / GUESS).unwrap_or(usize::MAX);
        let hasher = RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        Quick(Cache::with(items, bytes, Weigh, hasher, lifecycle))
    }

    #[inline]
    fn get(&self, part: &str) -> Option<Kept<V>> {
        self.0.get(part)
    }

    fn insert(&self, part: &str, kept: Kept<V>) {
        self.0.insert(part.into(), kept);
    }

    fn remove(&self, part: &str) {
        self.0.remove(part);
    }

    fn retain(&self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|part, _| keeps(part));
    }

    fn clear(&self) {
        self.0.clear();
    }
}
