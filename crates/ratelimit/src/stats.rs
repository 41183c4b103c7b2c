//! What a limiter has done.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::decision::{Decision, Source, Verdict};
use crate::striped::Striped;

/// What a limiter has done in this process since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that were let through, by whomever.
    pub allowed: u64,
    /// Calls that a policy denied.
    pub denied: u64,
    /// Calls of blocked subjects.
    pub blocked: u64,
    /// Calls whose cost can never pass.
    pub impossible: u64,
    /// Calls that would have passed, but another subject of the same decision did not.
    pub held_back: u64,
    /// Calls that were denied because Redis was away.
    pub unavailable: u64,
    /// Calls that a [watching](crate::Policy::shadow) policy would have denied.
    pub would_deny: u64,
    /// Those of all that were decided in this process's memory.
    pub local: u64,
    /// Those of all that were decided without Redis, because it was away.
    pub degraded: u64,
    /// Calls that ended with an error.
    pub errors: u64,
}

/// The counts behind [`Stats`]; those that nearly all calls add to by thread.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    allowed: Striped,
    denied: Striped,
    blocked: AtomicU64,
    impossible: AtomicU64,
    held_back: AtomicU64,
    /// Those of the allowed ones that were held back after all.
    taken_back: AtomicU64,
    unavailable: AtomicU64,
    would_deny: AtomicU64,
    local: Striped,
    degraded: AtomicU64,
    errors: AtomicU64,
}

impl Counts {
    pub(crate) fn decided(&self, decision: &Decision) {
        match decision.verdict() {
            Verdict::Allowed => self.allowed.one_more(),
            Verdict::Denied => self.denied.one_more(),
            Verdict::Blocked => one_more(&self.blocked),
            Verdict::Impossible => one_more(&self.impossible),
            Verdict::HeldBack => one_more(&self.held_back),
            Verdict::Unavailable => one_more(&self.unavailable),
        }
        if decision.would_deny().is_some() {
            one_more(&self.would_deny);
        }
        match decision.source() {
            Source::Redis => {}
            Source::Local => self.local.one_more(),
            Source::Degraded => one_more(&self.degraded),
        }
    }

    /// Of one that was counted as allowed another subject was denied then.
    pub(crate) fn taken_back(&self) {
        one_more(&self.taken_back);
    }

    pub(crate) fn failed(&self) {
        one_more(&self.errors);
    }

    pub(crate) fn stats(&self) -> Stats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            allowed: self.allowed.sum().saturating_sub(count(&self.taken_back)),
            denied: self.denied.sum(),
            blocked: count(&self.blocked),
            impossible: count(&self.impossible),
            held_back: count(&self.held_back),
            unavailable: count(&self.unavailable),
            would_deny: count(&self.would_deny),
            local: self.local.sum(),
            degraded: count(&self.degraded),
            errors: count(&self.errors),
        }
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
