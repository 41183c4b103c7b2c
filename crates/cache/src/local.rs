//! The values that this process keeps in its own memory.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use russet_core::glob_matches;

use crate::freshness::Freshness;
use crate::memory::{Memory, Quick};

/// How many keys share a version, roughly: those of this many are told apart.
const STRIPES: usize = 256;
/// How many tags are remembered that were invalidated; beyond, everything is forgotten.
const MOST_TAGS: usize = 10_000;

/// The local tier of one cache.
///
/// It never serves what was changed here since, because changes here wait for nobody. What others change it is told of; where it
/// cannot be sure to be told, it serves nothing.
pub(crate) struct Local<V> {
    memory: Quick<V>,
    ttl: Duration,
    /// How often each stripe's keys have changed: what was asked of Redis before may be from before.
    versions: Box<[Mutex<u64>]>,
    hasher: RandomState,
    /// What was kept in another one is not served.
    generation: AtomicU32,
    /// Until when each shard's changes are surely known, in microseconds since it began.
    known_until: Box<[AtomicU64]>,
    /// How often tags have changed.
    tag_changes: AtomicU64,
    /// When tags were invalidated last, of those that were since this generation began, by shard.
    tags: Mutex<HashMap<(u16, Box<str>), u64>>,
    began: coarsetime::Instant,
}

/// A value that is kept.
pub(crate) struct Kept<V> {
    /// Nothing where it is known that there is none.
    pub(crate) value: Option<Arc<V>>,
    /// When it ends, in microseconds since the tier began.
    until: u64,
    generation: u32,
    /// About how many bytes it takes.
    pub(crate) weight: u32,
    /// In milliseconds.
    load_took: u32,
    shard: u16,
    tagged: Option<Arc<Tagged>>,
}

/// The tags of a value that is kept.
struct Tagged {
    tags: Box<[Box<str>]>,
    stamp: u64,
    /// It holds as of so many changes of tags.
    checked: AtomicU64,
}

/// What is to be kept.
pub(crate) struct Offer<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) fresh: Duration,
    pub(crate) load_took: Duration,
    pub(crate) tags: Vec<String>,
    pub(crate) stamp: u64,
    /// How many bytes it has in Redis.
    pub(crate) bytes: usize,
}

/// The state of a key before Redis was asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    stripe: usize,
    version: u64,
    generation: u32,
    tag_changes: u64,
    shard: u16,
}

/// A value that is served.
pub(crate) struct Hit<V> {
    pub(crate) value: Option<Arc<V>>,
    /// How long it is fresh yet.
    pub(crate) left: Duration,
    pub(crate) load_took: Duration,
}

impl<V> Hit<V> {
    /// Whether this reader is the one to load it anew although it is fresh.
    pub(crate) fn is_early(&self, freshness: &Freshness) -> bool {
        freshness.is_early(Duration::ZERO, self.left, self.load_took)
    }
}

impl<V> Local<V> {
    pub(crate) fn new(bytes: u64, ttl: Duration, shards: usize) -> Self {
        Local {
            memory: Quick::new(bytes),
            ttl,
            versions: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            generation: AtomicU32::new(0),
            known_until: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            tag_changes: AtomicU64::new(0),
            tags: Mutex::default(),
            began: coarsetime::Instant::now_without_cache_update(),
        }
    }

    /// A value that holds and is fresh.
    #[inline]
    pub(crate) fn get(&self, part: &str) -> Option<Hit<V>> {
        let kept = self.memory.get(part)?;
        let now = self.now();
        let known_until = self.known_until.get(usize::from(kept.shard))?;
        if kept.generation != self.generation.load(Ordering::Acquire)
            || now >= kept.until
            || now >= known_until.load(Ordering::Acquire)
        {
            return None;
        }
        if let Some(tagged) = &kept.tagged
            && !self.holds(kept.shard, tagged)
        {
            return None;
        }
        Some(Hit {
            left: Duration::from_micros(kept.until - now),
            load_took: Duration::from_millis(kept.load_took.into()),
            value: kept.value,
        })
    }

    /// A value that stands in while Redis is away: it need not be fresh, nor need it be sure that nobody has changed it.
    pub(crate) fn stand_in(&self, part: &str, window: Duration) -> Option<Arc<V>> {
        let kept = self.memory.get(part)?;
        let until = kept.until.saturating_add(micros(window));
        let is_current = kept.generation == self.generation.load(Ordering::Acquire);
        let holds = kept
            .tagged
            .as_ref()
            .is_none_or(|tagged| self.holds(kept.shard, tagged));
        (is_current && self.now() < until && holds)
            .then_some(kept.value)
            .flatten()
    }

    fn holds(&self, shard: u16, tagged: &Tagged) -> bool {
        let changes = self.tag_changes.load(Ordering::Acquire);
        if tagged.checked.load(Ordering::Acquire) == changes {
            return true;
        }
        let tags = self.tags();
        let holds = tagged.tags.iter().all(|tag| {
            let at = tags.get(&(shard, tag.clone()));
            at.is_none_or(|at| *at <= tagged.stamp)
        });
        drop(tags);
        if holds {
            tagged.checked.store(changes, Ordering::Release);
        }
        holds
    }

    /// Before Redis is asked for a key.
    pub(crate) fn ticket(&self, part: &str, shard: u16) -> Ticket {
        let stripe = self.stripe(part);
        Ticket {
            // First: what is flushed meanwhile is not kept.
            generation: self.generation.load(Ordering::Acquire),
            tag_changes: self.tag_changes.load(Ordering::Acquire),
            version: *self.version(stripe),
            stripe,
            shard,
        }
    }

    /// Keeps what Redis has answered, unless the key has changed since it was asked.
    pub(crate) fn keep(&self, part: &str, ticket: Ticket, offer: Offer<V>) {
        let version = self.version(ticket.stripe);
        if *version == ticket.version {
            self.memory.insert(part, self.kept(part, ticket, offer));
        }
    }

    /// Keeps what was stored in Redis just now; if the key has changed since before that, nobody knows which was last.
    pub(crate) fn wrote(&self, part: &str, ticket: Ticket, offer: Offer<V>) {
        let mut version = self.version(ticket.stripe);
        if *version == ticket.version {
            self.memory.insert(part, self.kept(part, ticket, offer));
        } else {
            self.memory.remove(part);
        }
        // What others have asked for before may be older.
        *version += 1;
    }

    /// A key has changed.
    pub(crate) fn changed(&self, part: &str) {
        let mut version = self.version(self.stripe(part));
        *version += 1;
        self.memory.remove(part);
    }

    /// Keys that match a glob have changed.
    pub(crate) fn changed_matching(&self, glob: &str) {
        for version in &self.versions {
            *version.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        self.memory
            .retain(|part| !glob_matches(glob.as_bytes(), part.as_bytes()));
    }

    /// Tags were invalidated at this clock of their shard.
    pub(crate) fn tags_changed<'t>(
        &self,
        shard: u16,
        clock: u64,
        tags: impl Iterator<Item = &'t str>,
    ) {
        let mut known = self.tags();
        for tag in tags {
            let at = known.entry((shard, tag.into())).or_default();
            *at = clock.max(*at);
        }
        if known.len() > MOST_TAGS {
            known.clear();
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        // Behind the tags: who sees it finds them.
        self.tag_changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Everything may have changed.
    pub(crate) fn flush(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.tags().clear();
        self.memory.clear();
    }

    /// All changes of a shard are known that were made before this moment.
    pub(crate) fn is_sure(&self, shard: u16, of: Instant, how_long: Duration) {
        if let Some(known_until) = self.known_until.get(usize::from(shard)) {
            let ago = micros(of.elapsed());
            let until = (self.now() + micros(how_long)).saturating_sub(ago);
            known_until.fetch_max(until, Ordering::AcqRel);
        }
    }

    /// Nobody tells of changes; the local TTL bounds how long they are not known.
    pub(crate) fn is_always_sure(&self) {
        for known_until in &self.known_until {
            known_until.store(u64::MAX, Ordering::Release);
        }
    }

    fn kept(&self, part: &str, ticket: Ticket, offer: Offer<V>) -> Kept<V> {
        let fresh = micros(offer.fresh.min(self.ttl));
        let tags = offer.tags.iter();
        let tagged = (!offer.tags.is_empty()).then(|| {
            Arc::new(Tagged {
                tags: tags.map(|tag| tag.as_str().into()).collect(),
                stamp: offer.stamp,
                checked: AtomicU64::new(ticket.tag_changes),
            })
        });
        Kept {
            value: offer.value,
            until: self.now().saturating_add(fresh),
            generation: ticket.generation,
            shard: ticket.shard,
            weight: u32::try_from(part.len() + offer.bytes).unwrap_or(u32::MAX),
            load_took: u32::try_from(offer.load_took.as_millis()).unwrap_or(u32::MAX),
            tagged,
        }
    }

    fn stripe(&self, part: &str) -> usize {
        usize::try_from(self.hasher.hash_one(part) % STRIPES as u64).unwrap_or(0)
    }

    fn version(&self, stripe: usize) -> MutexGuard<'_, u64> {
        // A stripe is one of them; and no code that can panic runs under these locks.
        self.versions[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tags(&self) -> MutexGuard<'_, HashMap<(u16, Box<str>), u64>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By the system's coarse clock: a few milliseconds late, and a tenth of the price.
    #[inline]
    fn now(&self) -> u64 {
        coarsetime::Instant::now_without_cache_update()
            .duration_since(self.began)
            .as_micros()
    }
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Kept {
            value: self.value.clone(),
            tagged: self.tagged.clone(),
            ..*self
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
