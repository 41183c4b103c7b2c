//! What became of a call.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::policy::Policy;
use crate::rules::Rules;
use crate::speed::{Denied, Lease};
use crate::wire::{Answer, Ruling};

/// How a limiter decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It may go on.
    Allowed,
    /// A policy denies it; it may pass [later](Decision::retry_after).
    Denied,
    /// Its subject is [blocked](crate::Limiter::block).
    Blocked,
    /// Its cost is above a limit: it can never pass.
    Impossible,
    /// It would pass, but another subject of the same [`Joint`](crate::Joint) decision does not; it was charged nothing.
    HeldBack,
    /// Redis is away, and the limiter shall [deny](crate::OnOutage::Deny) then. It says nothing about the subject.
    Unavailable,
}

impl Verdict {
    /// As metrics and log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Denied => "denied",
            Verdict::Blocked => "blocked",
            Verdict::Impossible => "impossible",
            Verdict::HeldBack => "held_back",
            Verdict::Unavailable => "unavailable",
        }
    }
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Redis.
    Redis,
    /// This process, by what Redis said before.
    Local,
    /// This process, because Redis is away.
    Degraded,
}

/// What became of a call, and what its subject has left. The numbers are of one policy: of the one that denied it (the one with the
/// longest wait), or of the one with the least left.
#[derive(Clone)]
#[must_use = "whoever does not look at the decision limits nothing"]
pub struct Decision {
    by: By,
    answer: Answer,
    verdict: Verdict,
    source: Source,
}

/// Whose policies decided. What is remembered has them too: a count that all threads write would be most of what a denial costs.
#[derive(Clone)]
enum By {
    Rules(Arc<Rules>),
    Denied(Arc<Denied>),
    Lease(Arc<Lease>),
}

impl Decision {
    /// One that is remembered.
    pub(crate) fn denied(denied: Arc<Denied>, answer: Answer) -> Self {
        let verdict = match answer.ruling {
            Ruling::Blocked => Verdict::Blocked,
            _ => Verdict::Denied,
        };
        Decision {
            by: By::Denied(denied),
            answer,
            verdict,
            source: Source::Local,
        }
    }

    /// One that was paid from what this process holds.
    pub(crate) fn leased(lease: Arc<Lease>, answer: Answer) -> Self {
        Decision {
            by: By::Lease(lease),
            answer,
            verdict: Verdict::Allowed,
            source: Source::Local,
        }
    }

    /// When it was charged. What was paid from a lease was charged before, but in the same window; of a bucket no longer ago than a lease
    /// lasts.
    pub(crate) fn charged_at(&self) -> u64 {
        let now = self.answer.now;
        match &self.by {
            By::Lease(lease) => now.saturating_sub(lease.life.in_bucket()),
            By::Rules(_) | By::Denied(_) => now,
        }
    }

    /// Redis' answer, if it let the call through.
    pub(crate) fn of_redis(&self) -> Option<Answer> {
        (self.is_allowed() && self.source == Source::Redis).then_some(self.answer)
    }

    fn rules(&self) -> &Rules {
        match &self.by {
            By::Rules(rules) => rules,
            By::Denied(denied) => &denied.rules,
            By::Lease(lease) => &lease.plan.rules,
        }
    }

    fn name(&self, policy: u8) -> Option<&str> {
        self.rules().name(policy)
    }

    /// The names of the policies that it was decided by.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &str> {
        self.rules().policies().map(Policy::name)
    }

    pub(crate) fn new(rules: Arc<Rules>, answer: Answer, source: Source) -> Self {
        let verdict = match answer.ruling {
            Ruling::Allowed => Verdict::Allowed,
            // Of periods it is asked again before it comes here.
            Ruling::Denied | Ruling::OtherPeriods => Verdict::Denied,
            Ruling::HeldBack => Verdict::HeldBack,
            Ruling::Impossible => Verdict::Impossible,
            Ruling::Blocked => Verdict::Blocked,
        };
        Decision {
            by: By::Rules(rules),
            answer,
            verdict,
            source,
        }
    }

    /// One that Redis had no part in: nothing is known of the subject.
    pub(crate) fn unknown(rules: Arc<Rules>, verdict: Verdict, source: Source) -> Self {
        let limit = rules.tightest();
        let is_impossible = verdict == Verdict::Impossible;
        Decision {
            answer: Answer {
                ruling: Ruling::Denied,
                policy: if is_impossible { limit.1 } else { 0 },
                watching: 0,
                is_marked: false,
                limit: limit.0,
                current: 0,
                charged: 0,
                wait: 0,
                idle: 0,
                now: 0,
            },
            by: By::Rules(rules),
            verdict,
            source,
        }
    }

    /// Whether it may go on.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// How it was decided.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Who decided.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The name of the policy that the numbers are of; nothing for a blocked subject, or while Redis is away.
    pub fn policy(&self) -> Option<&str> {
        self.name(self.answer.policy)
    }

    /// The name of the policy that denied it.
    pub fn denied_by(&self) -> Option<&str> {
        match self.verdict {
            Verdict::Denied | Verdict::Impossible => self.policy(),
            Verdict::Allowed | Verdict::Blocked | Verdict::HeldBack | Verdict::Unavailable => None,
        }
    }

    /// The name of the [watching](crate::Policy::shadow) policy that would have denied it.
    pub fn would_deny(&self) -> Option<&str> {
        self.name(self.answer.watching)
    }

    /// The most that fits: the limit, or a bucket's burst.
    pub fn limit(&self) -> u64 {
        self.answer.limit
    }

    /// How much is counted now, this call included if it was allowed. Above the limit where more was
    /// [recorded](crate::Limiter::record).
    pub fn current(&self) -> u64 {
        self.answer.current
    }

    /// How much more would pass now.
    pub fn remaining(&self) -> u64 {
        self.answer.limit.saturating_sub(self.answer.current)
    }

    /// How much of the cost was charged: all of it if allowed, as much as fit with [`up_to`](crate::Limiter::up_to), nothing if denied
    /// or while Redis is away.
    pub fn charged(&self) -> u64 {
        u64::try_from(self.answer.charged).unwrap_or(0)
    }

    /// In how long the same call passes, if nobody else is charged meanwhile: then it does, and a millisecond earlier it does not. Nothing
    /// where it passed, where it never can, and where Redis is away.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Denied | Verdict::Blocked => Some(Duration::from_micros(self.answer.wait)),
            Verdict::Allowed | Verdict::Impossible | Verdict::HeldBack | Verdict::Unavailable => {
                None
            }
        }
    }

    /// In how long nothing will be counted any more, if nobody is charged meanwhile.
    pub fn reset_after(&self) -> Duration {
        Duration::from_micros(self.answer.idle)
    }

    /// When nothing will be counted any more, on the server's clock; on this one's while Redis is away.
    pub fn reset_at(&self) -> SystemTime {
        let now = match self.answer.now {
            0 => SystemTime::now(),
            now => SystemTime::UNIX_EPOCH + Duration::from_micros(now),
        };
        now + self.reset_after()
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("verdict", &self.verdict)
            .field("policy", &self.policy())
            .field("limit", &self.limit())
            .field("current", &self.current())
            .field("remaining", &self.remaining())
            .field("retry_after", &self.retry_after())
            .field("reset_after", &self.reset_after())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
