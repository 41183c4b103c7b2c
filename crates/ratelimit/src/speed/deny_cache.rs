//! Denials that this process remembers.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_core::Key;

use super::Subjects;
use crate::rules::Rules;
use crate::wire::{Answer, Ruling};

/// A denial is remembered no longer than this: after a reset, a refund or an override by another process it may still be told for so long.
const LONGEST: Duration = Duration::from_secs(1);

const HASHES: u64 = 256;

/// The subjects that were denied, each until the server's own retry time; nobody is let through by it.
///
/// A cost that was denied stays so until then, because others can only be charged meanwhile, and so does every larger one.
pub(crate) struct DenyCache {
    denied: Subjects<Denied>,
    /// How often subjects were forgotten, those of the same hash together: what was asked before is not noted after.
    forgotten: Box<[AtomicU64]>,
    hasher: foldhash::fast::RandomState,
}

/// When Redis is asked about a subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    at: Instant,
    forgotten: u64,
}

/// What a subject was denied.
pub(crate) struct Denied {
    pub(crate) rules: Arc<Rules>,
    /// The smallest cost that was denied.
    cost: u64,
    answer: Answer,
    /// When Redis was asked: its wait counts from then on, at the earliest.
    asked: Instant,
    till: Instant,
}

impl DenyCache {
    pub(crate) fn new(subjects: usize) -> Self {
        DenyCache {
            denied: super::subjects(subjects),
            forgotten: (0..HASHES).map(|_| AtomicU64::new(0)).collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Redis is asked now.
    pub(crate) fn asking(&self, key: &Key) -> Asked {
        Asked {
            at: Instant::now(),
            forgotten: self
                .count_of(key)
                .map_or(0, |count| count.load(Ordering::Acquire)),
        }
    }

    /// What a subject is told without Redis.
    pub(crate) fn look(
        &self,
        key: &Key,
        rules: &Arc<Rules>,
        cost: u64,
    ) -> Option<(Arc<Denied>, Answer)> {
        let denied = self.denied.get(key)?;
        let is_known = denied.cost <= cost && (denied.cost == 0 || cost <= rules.tightest().0);
        if !is_known || !Arc::ptr_eq(rules, &denied.rules) {
            return None;
        }
        let now = Instant::now();
        if now >= denied.till {
            // Only if nobody has put a newer one there.
            self.denied
                .remove_if(key, |there| Arc::ptr_eq(there, &denied));
            return None;
        }
        let since = now.saturating_duration_since(denied.asked);
        let since = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let answer = denied.answer;
        let told = Answer {
            wait: answer.wait.saturating_sub(since),
            idle: answer.idle.saturating_sub(since),
            now: answer.now.saturating_add(since),
            ..answer
        };
        Some((denied, told))
    }

    /// Remembers what Redis denied, as of when it was asked.
    pub(crate) fn note(
        &self,
        key: &Key,
        rules: &Arc<Rules>,
        cost: u64,
        answer: Answer,
        asked: Asked,
    ) {
        if !matches!(answer.ruling, Ruling::Denied | Ruling::Blocked) {
            return;
        }
        // A blocked subject is denied whatever it costs.
        let cost = if answer.ruling == Ruling::Blocked {
            0
        } else {
            cost
        };
        let till = asked.at + Duration::from_micros(answer.wait).min(LONGEST);
        let denied = Arc::new(Denied {
            rules: rules.clone(),
            cost,
            answer,
            asked: asked.at,
            till,
        });
        self.denied.insert(key.clone(), denied.clone());
        // It may have been forgotten since, or just now: then whoever forgot it has looked before it was there.
        let count = self.count_of(key);
        if count.is_some_and(|count| count.load(Ordering::Acquire) != asked.forgotten) {
            self.denied
                .remove_if(key, |there| Arc::ptr_eq(there, &denied));
        }
    }

    /// Forgets a subject, whose counts have become less.
    pub(crate) fn forget(&self, key: &Key) {
        if let Some(count) = self.count_of(key) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        self.denied.remove(key);
    }

    fn count_of(&self, key: &Key) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one(key);
        self.forgotten
            .get(usize::try_from(hash % HASHES).unwrap_or(0))
    }
}

impl fmt::Debug for DenyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DenyCache({} subjects)", self.denied.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::Prefix;

    use super::*;
    use crate::policy::Policy;

    #[test]
    fn what_was_asked_before_a_subject_was_forgotten_is_not_noted_after() {
        let rules = Rules::new(vec![Policy::fixed_window(1, LONGEST)], false, None).unwrap();
        let key = Prefix::new("shop")
            .unwrap()
            .stem("ratelimit", "api")
            .unwrap()
            .key("u");
        let answer = Answer {
            ruling: Ruling::Denied,
            policy: 1,
            watching: 0,
            is_marked: false,
            limit: 1,
            current: 1,
            charged: 0,
            wait: 60_000_000,
            idle: 60_000_000,
            now: 1,
        };
        let cache = DenyCache::new(10);
        let asked = cache.asking(&key);
        cache.note(&key, &rules, 1, answer, asked);
        assert!(cache.look(&key, &rules, 1).is_some());
        let asked = cache.asking(&key);
        cache.forget(&key);
        cache.note(&key, &rules, 1, answer, asked);
        assert!(cache.look(&key, &rules, 1).is_none());
    }
}
