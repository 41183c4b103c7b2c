//! What a limiter does while Redis is away.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use russet_core::{BuildError, BuildErrorKind, Error, ErrorKind, Key};

use crate::rules::Rules;
use crate::wire::{Answer, Kind, Ruling, whole};

/// What callers are told while Redis cannot be used. It is never told as a denial: [`Decision::source`](crate::Decision::source) is
/// [`Degraded`](crate::Source::Degraded).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum OnOutage {
    /// Everything goes on, uncounted.
    #[default]
    Allow,
    /// Nothing does: [`Unavailable`](crate::Verdict::Unavailable), which is a 503 and no 429.
    Deny,
    /// This process limits by itself, each policy as a token bucket of this share of its limit: one by the number of processes.
    /// What it allowed is not counted in Redis later.
    Local {
        /// Above 0, at most 1.
        share: f64,
    },
}

impl OnOutage {
    pub(crate) fn check(self) -> Result<(), BuildError> {
        match self {
            OnOutage::Local { share } if !(share > 0.0 && share <= 1.0) => Err(BuildError::new(
                BuildErrorKind::Limit,
                format!("the share of a process is {share}; it must be above 0 and at most 1"),
            )),
            _ => Ok(()),
        }
    }
}

/// Whether this failure is an outage: it heals by waiting. A refused permission, a wrong password, a key of another type do not, and are
/// told as errors.
pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::Shutdown
}

/// How many subjects a process limits by itself at most; those it saw least are forgotten first.
const MOST_SUBJECTS: usize = 65_536;

/// What this process has let through by itself.
pub(crate) struct Shares {
    share: f64,
    began: Instant,
    subjects: quick_cache::sync::Cache<Key, Arc<Mutex<Vec<Bucket>>>>,
}

/// A token bucket of one policy, in seconds: how much is used, as of when.
#[derive(Clone, Debug)]
struct Bucket {
    policy: String,
    used: f64,
    at: f64,
}

/// A policy's share, now.
#[derive(Clone, Copy, Debug)]
struct Share {
    burst: f64,
    rate: f64,
    used: f64,
    /// What the call weighs; a cooldown does not mind.
    weight: f64,
    watches: bool,
}

impl Shares {
    pub(crate) fn new(share: f64) -> Self {
        Shares {
            share,
            began: Instant::now(),
            subjects: quick_cache::sync::Cache::new(MOST_SUBJECTS),
        }
    }

    /// Decides for a subject by this process's share, all policies or nothing. Nothing where the cost is above the share, and not above
    /// the limit: of that nobody can say anything here.
    pub(crate) fn decide(
        &self,
        key: &Key,
        rules: &Rules,
        cost: u64,
        is_partial: bool,
    ) -> Option<Answer> {
        let now = self.began.elapsed().as_secs_f64();
        let made = || Ok::<_, Infallible>(Arc::default());
        let buckets = match self.subjects.get_or_insert_with(key, made) {
            Ok(buckets) => buckets,
            Err(never) => match never {},
        };
        // Nothing under this lock panics.
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shares = self.of(&mut buckets, rules, now, cost);
        let judged = |shares: &[Share]| {
            shares
                .iter()
                .filter(|share| !share.watches)
                .copied()
                .collect::<Vec<_>>()
        };
        if is_partial {
            let room = judged(&shares)
                .iter()
                .map(|share| (share.burst - share.used).floor())
                .fold(f64::MAX, f64::min);
            for share in &mut shares {
                share.weight = share.weight.min(room.max(1.0));
            }
        }
        if judged(&shares)
            .iter()
            .any(|share| share.weight > share.burst)
        {
            return None;
        }
        let answer = told(&shares);
        if answer.ruling == Ruling::Allowed {
            for (share, policy) in shares.iter().zip(rules.policies()) {
                let bucket = buckets
                    .iter_mut()
                    .find(|bucket| bucket.policy == policy.name());
                // One that watches counts what it would have let through.
                if let Some(bucket) = bucket.filter(|_| share.used + share.weight <= share.burst) {
                    bucket.used += share.weight;
                }
            }
        }
        Some(answer)
    }

    /// What each policy has used by now.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a share of a limit need not be exact"
    )]
    fn of(&self, buckets: &mut Vec<Bucket>, rules: &Rules, now: f64, cost: u64) -> Vec<Share> {
        let shares = rules.policies().map(|policy| {
            let (limit, window) = policy.as_bucket();
            let rate = limit as f64 * self.share / window.as_secs_f64();
            let known = buckets
                .iter()
                .position(|bucket| bucket.policy == policy.name());
            let at = known.unwrap_or_else(|| {
                buckets.push(Bucket {
                    policy: policy.name().to_owned(),
                    used: 0.0,
                    at: now,
                });
                buckets.len() - 1
            });
            let bucket = &mut buckets[at];
            bucket.used = (bucket.used - (now - bucket.at) * rate).max(0.0);
            bucket.at = now;
            Share {
                // A share of one token is a token, only more seldom.
                burst: (limit as f64 * self.share).floor().max(1.0),
                rate,
                used: bucket.used,
                weight: if policy.kind() == Kind::Cooldown {
                    1.0
                } else {
                    cost as f64
                },
                watches: policy.watches(),
            }
        });
        shares.collect()
    }
}

/// The numbers of the share that denies longest, or of the one with the least left.
fn told(shares: &[Share]) -> Answer {
    let micros = |seconds: f64| whole((seconds * 1e6).ceil());
    let judged = || (1_u8..).zip(shares).filter(|(_, share)| !share.watches);
    let wait = |share: &Share| (share.used + share.weight - share.burst).max(0.0) / share.rate;
    let denied = judged()
        .filter(|(_, share)| wait(share) > 0.0)
        .max_by(|a, b| wait(a.1).total_cmp(&wait(b.1)));
    let left = |share: &Share| share.burst - share.used - share.weight;
    let told = denied.or_else(|| judged().min_by(|a, b| left(a.1).total_cmp(&left(b.1))));
    let would_deny = (1_u8..)
        .zip(shares)
        .find(|(_, share)| share.watches && wait(share) > 0.0);
    let used = told.map_or(0.0, |(_, share)| {
        share.used + if denied.is_none() { share.weight } else { 0.0 }
    });
    Answer {
        ruling: if denied.is_some() {
            Ruling::Denied
        } else {
            Ruling::Allowed
        },
        policy: told.map_or(0, |(at, _)| at),
        watching: would_deny.map_or(0, |(at, _)| at),
        is_marked: false,
        limit: told.map_or(u64::MAX, |(_, share)| whole(share.burst)),
        current: whole(used.ceil()),
        charged: match denied {
            Some(_) => 0,
            None => i64::try_from(whole(
                shares.iter().map(|share| share.weight).fold(0.0, f64::max),
            ))
            .unwrap_or(i64::MAX),
        },
        wait: denied.map_or(0, |(_, share)| micros(wait(share))),
        idle: told.map_or(0, |(_, share)| micros(used / share.rate)),
        now: 0,
    }
}

/// How often an outage is told in the log: once when it begins, and once when it has ended.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicBool);

impl Told {
    pub(crate) fn away(&self, limiter: &str, error: &Error, on_outage: OnOutage) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "russet::ratelimit", limiter, %error, ?on_outage,
                "Redis cannot be asked; decisions are made without it until it can"
            );
        }
    }

    pub(crate) fn back(&self, limiter: &str) {
        if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "russet::ratelimit", limiter, "Redis decides again");
        }
    }
}
