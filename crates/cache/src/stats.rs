//! What a cache has done.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::striped::Striped;

/// What a cache has done in this process since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads that found a value, in memory or in Redis.
    pub hits: u64,
    /// Those of them that found it in this process's memory, also where it is known that there is none.
    pub hits_local: u64,
    /// Reads that found it known that there is no value.
    pub hits_missing: u64,
    /// Reads that found none.
    pub misses: Misses,
    /// Values served although they were stale: while they were loaded anew, or because that failed.
    pub stale_served: u64,
    /// Loads begun in the background, of values that are stale or soon will be.
    pub refreshes: u64,
    /// Loads that brought a value.
    pub loads: u64,
    /// Loads that failed, panicked or took too long; one that is under way counts as such until it has a value.
    pub load_errors: u64,
    /// Values stored.
    pub inserted: u64,
    /// Values not stored because Redis was away, or had no room for them.
    pub skipped: u64,
    /// Values removed.
    pub removed: u64,
    /// Invalidations of tags, and clearings.
    pub invalidations: u64,
    /// Removals and invalidations that Redis will be told of when it is back.
    pub queued: u64,
    /// Operations that failed: what waiting does not heal, or, in a strict cache, an outage.
    pub errors: u64,
}

/// Reads without a value, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misses {
    /// There was none, or a key of another Redis type.
    pub absent: u64,
    /// It was stale.
    pub stale: u64,
    /// It was invalidated: by a tag, by clearing the cache, or by a removal that Redis has not been told of yet.
    pub invalidated: u64,
    /// Its bytes were of another version, type or key.
    pub undecodable: u64,
    /// Redis was away.
    pub outage: u64,
}

impl Misses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.absent + self.stale + self.invalidated + self.undecodable + self.outage
    }
}

impl Stats {
    /// Hits among all reads, between 0 and 1; nothing before the first read.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate is no worse for a count beyond 2^53"
    )]
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.hits + self.hits_missing;
        let reads = hits + self.misses.total();
        (reads > 0).then(|| hits as f64 / reads as f64)
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    Missing,
    Stale,
    Absent,
    Invalidated,
    Undecodable,
    Outage,
    Error,
}

impl Outcome {
    /// As metrics and log lines name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Hit => "hit",
            Outcome::Missing => "missing",
            Outcome::Stale => "stale",
            Outcome::Absent => "absent",
            Outcome::Invalidated => "invalidated",
            Outcome::Undecodable => "undecodable",
            Outcome::Outage => "outage",
            Outcome::Error => "error",
        }
    }
}

/// The counts behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) local: Striped,
    pub(crate) local_missing: AtomicU64,
    hits: Striped,
    missing: AtomicU64,
    stale: AtomicU64,
    absent: AtomicU64,
    invalidated: AtomicU64,
    undecodable: AtomicU64,
    outage: AtomicU64,
    pub(crate) stale_served: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) load_errors: AtomicU64,
    pub(crate) inserted: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) removed: AtomicU64,
    pub(crate) invalidations: AtomicU64,
    pub(crate) queued: AtomicU64,
    pub(crate) errors: AtomicU64,
}

impl Counts {
    pub(crate) fn read(&self, outcome: Outcome) {
        one_more(match outcome {
            Outcome::Hit => return self.hits.one_more(),
            Outcome::Missing => &self.missing,
            Outcome::Stale => &self.stale,
            Outcome::Absent => &self.absent,
            Outcome::Invalidated => &self.invalidated,
            Outcome::Undecodable => &self.undecodable,
            Outcome::Outage => &self.outage,
            Outcome::Error => &self.errors,
        });
    }

    /// A load that was counted as failed when it began has not.
    pub(crate) fn loaded(&self) {
        one_more(&self.loads);
        self.load_errors.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            hits: self.hits.sum() + self.local.sum(),
            hits_local: self.local.sum() + count(&self.local_missing),
            hits_missing: count(&self.missing) + count(&self.local_missing),
            misses: Misses {
                absent: count(&self.absent),
                stale: count(&self.stale),
                invalidated: count(&self.invalidated),
                undecodable: count(&self.undecodable),
                outage: count(&self.outage),
            },
            stale_served: count(&self.stale_served),
            refreshes: count(&self.refreshes),
            loads: count(&self.loads),
            load_errors: count(&self.load_errors),
            inserted: count(&self.inserted),
            skipped: count(&self.skipped),
            removed: count(&self.removed),
            invalidations: count(&self.invalidations),
            queued: count(&self.queued),
            errors: count(&self.errors),
        }
    }
}

pub(crate) fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
