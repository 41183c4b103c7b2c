//! What this process has fetched ahead, to spend without asking.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use russet_core::{BuildError, BuildErrorKind, Key};

use super::Subjects;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::rules::Rules;
use crate::wire::{Answer, Kind};

/// Nothing is held for longer, so that what a process does not spend others soon can.
const LONGEST: Duration = Duration::from_secs(1);
/// How many subjects a process holds leases of at most.
const SUBJECTS: usize = 10_000;
/// No more than this part of what is left is fetched ahead: near the limit nothing is.
const PART_OF_REST: u64 = 8;

/// What this process has fetched ahead of its subjects.
pub(crate) struct Leases {
    /// How much is fetched ahead at most.
    most: u64,
    held: Subjects<Lease>,
}

/// What this process holds of one subject: charged in Redis, and not spent yet.
///
/// It dies with the sub-window that it was charged in, timed from before it was asked for, so that everything is spent in the
/// sub-window in which it counts. What a bucket is charged leaks from then on, so whoever spends it later may find others in its
/// place: therefore buckets of limiters with leases are smaller by what flows in during a lease.
pub(crate) struct Lease {
    pub(crate) plan: Arc<Plan>,
    pub(crate) life: Life,
    held: Mutex<Held>,
    /// Whoever fetches more; the others meanwhile ask for themselves.
    pub(crate) refill: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    left: u64,
    dies: Instant,
    /// What Redis said last.
    answer: Option<Answer>,
    /// Spent since then, and when that was.
    spent: u64,
    since: Instant,
    /// When the oldest of what is left was charged, on the server's clock.
    charged_at: u64,
    /// How often it was ended from outside: what was asked before is not held after.
    ended: u64,
    /// Whether somebody gives back what is left when it dies.
    is_watched: bool,
}

/// What became of a lease.
pub(crate) struct Granted {
    pub(crate) told: Answer,
    /// Whether nobody watches it yet.
    pub(crate) is_first: bool,
    /// What cannot be spent any more.
    pub(crate) back: Back,
}

/// What is given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Back {
    pub(crate) cost: u64,
    /// On the server's clock.
    pub(crate) charged_at: u64,
}

/// How long what was charged may be spent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    /// Until a sub-window of so many microseconds ends.
    SubWindow(u64),
    /// Until the window ends, after which nothing counts.
    Window,
    /// So many microseconds.
    For(u64),
}

impl Leases {
    pub(crate) fn new(most: u64) -> Self {
        Leases {
            most,
            held: super::subjects(SUBJECTS),
        }
    }

    pub(crate) fn of(&self, key: &Key, plan: &Arc<Plan>, life: Life) -> Arc<Lease> {
        let known = self.held.get(key);
        if let Some(lease) = known.filter(|lease| Arc::ptr_eq(&lease.plan, plan)) {
            return lease;
        }
        let lease = Arc::new(Lease::new(plan.clone(), life));
        self.held.insert(key.clone(), lease.clone());
        lease
    }

    /// What a call of this cost asks for, and how much of that it is itself.
    pub(crate) fn wanted(&self, lease: &Lease, cost: u64) -> u64 {
        let held = lease.lock();
        let Some(answer) = held.answer else {
            return cost;
        };
        let passed = held.since.elapsed().max(Duration::from_millis(10));
        let ahead = micros(lease.life.of(&answer).min(LONGEST));
        // As much as was spent in the same time lately.
        let rate = u128::from(held.spent) * u128::from(ahead) / u128::from(micros(passed));
        let rest = answer.limit.saturating_sub(answer.current) / PART_OF_REST;
        cost + u64::try_from(rate)
            .unwrap_or(u64::MAX)
            .min(self.most)
            .min(rest)
    }

    /// Whatever is held of a subject, or is just being fetched, is not spent any more; what is left of it.
    pub(crate) fn end(&self, key: &Key) -> Option<(Arc<Lease>, Back)> {
        let lease = self.held.get(key)?;
        lease.lock().ended += 1;
        let back = lease.end();
        (back.cost > 0).then_some((lease, back))
    }

    /// All leases that there are, with their subjects.
    pub(crate) fn all(&self) -> Vec<(Key, Arc<Lease>)> {
        self.held.iter().collect()
    }
}

impl Lease {
    fn new(plan: Arc<Plan>, life: Life) -> Self {
        let now = Instant::now();
        Lease {
            plan,
            life,
            held: Mutex::new(Held {
                left: 0,
                dies: now,
                answer: None,
                spent: 0,
                since: now,
                charged_at: 0,
                ended: 0,
                is_watched: false,
            }),
            refill: tokio::sync::Mutex::default(),
        }
    }

    /// Spends of what is held, if there is enough and it lives.
    pub(crate) fn spend(&self, cost: u64) -> Option<Answer> {
        let mut held = self.lock();
        let answer = held.answer?;
        if held.left < cost {
            return None;
        }
        let now = Instant::now();
        if now >= held.dies {
            return None;
        }
        held.left -= cost;
        held.spent = held.spent.saturating_add(cost);
        let passed = micros(now.saturating_duration_since(held.since));
        Some(Answer {
            // What is held is counted, and not spent.
            current: answer.current.saturating_sub(held.left),
            charged: i64::try_from(cost).unwrap_or(i64::MAX),
            idle: answer.idle.saturating_sub(passed),
            now: answer.now.saturating_add(passed),
            ..answer
        })
    }

    /// How often it was ended from outside so far.
    pub(crate) fn ended(&self) -> u64 {
        self.lock().ended
    }

    /// Takes what Redis granted to one who asked at this time, when it had been ended so often, and spends this much of it.
    pub(crate) fn granted(&self, answer: Answer, cost: u64, asked: Instant, ended: u64) -> Granted {
        let mut held = self.lock();
        let granted = u64::try_from(answer.charged).unwrap_or(0);
        let rest = granted.saturating_sub(cost);
        let told = |left: u64| Answer {
            // What is held is counted, and not spent.
            current: answer.current.saturating_sub(left),
            charged: i64::try_from(cost).unwrap_or(i64::MAX),
            ..answer
        };
        let now = Instant::now();
        // Of a subject of which there is more to know its own policy may be another one.
        let is_over = held.ended != ended || answer.is_marked;
        let mut back = Back::of(0, held.charged_at);
        if is_over || now >= held.dies {
            back.cost = std::mem::take(&mut held.left);
        }
        if is_over {
            if back.cost == 0 {
                back = Back::of(0, answer.now);
            }
            back.cost += rest;
            held.answer = None;
            return Granted {
                told: told(0),
                is_first: false,
                back,
            };
        }
        let dies = asked + self.life.of(&answer).min(LONGEST);
        // What was left lives no longer for it.
        (held.dies, held.charged_at) = match held.left {
            0 => (dies, answer.now),
            _ => (dies.min(held.dies), held.charged_at),
        };
        held.left += rest;
        (held.spent, held.since) = (cost, asked);
        held.answer = Some(answer);
        let is_first = held.left > 0 && !held.is_watched;
        held.is_watched |= is_first;
        Granted {
            told: told(held.left),
            is_first,
            back,
        }
    }

    /// When it dies; nothing if nothing is left to watch.
    pub(crate) fn dies(&self) -> Option<Instant> {
        let mut held = self.lock();
        if held.left == 0 {
            held.is_watched = false;
            return None;
        }
        Some(held.dies)
    }

    /// What is left, which nobody can spend any more.
    pub(crate) fn end(&self) -> Back {
        let mut held = self.lock();
        Back::of(std::mem::take(&mut held.left), held.charged_at)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing under this lock panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Back {
    fn of(cost: u64, charged_at: u64) -> Self {
        Back { cost, charged_at }
    }
}

impl Life {
    /// How long what Redis has just granted lives on its clock.
    fn of(self, answer: &Answer) -> Duration {
        Duration::from_micros(match self {
            Life::SubWindow(width) => width - answer.now % width,
            Life::Window => answer.idle,
            Life::For(micros) => micros,
        })
    }

    /// How many microseconds ago what is spent of a bucket may have been charged.
    pub(crate) fn in_bucket(self) -> u64 {
        match self {
            Life::For(micros) => micros,
            Life::SubWindow(_) | Life::Window => 0,
        }
    }

    /// How long what these rules charge may be spent: as long as by each of them.
    pub(crate) fn under(rules: &Rules) -> Result<Self, BuildError> {
        let wrong = |message: String| Err(BuildError::new(BuildErrorKind::Limit, message));
        let mut policies = rules.policies();
        let policy = match (policies.next(), policies.len()) {
            (Some(policy), 0) => policy,
            // Nothing is decided by none.
            (None, _) => return Ok(Life::Window),
            (Some(_), _) => return wrong("leases are for limiters with one policy".to_owned()),
        };
        match policy.kind() {
            Kind::SlidingWindow => Ok(Life::SubWindow(policy.sub_window())),
            Kind::FixedWindow | Kind::Calendar => Ok(Life::Window),
            Kind::TokenBucket => Ok(lease_of(policy)),
            Kind::SlidingLog | Kind::Cooldown => wrong(format!(
                "a {} has no leases: it goes by the time of each call",
                policy.kind().name()
            )),
        }
    }
}

/// A bucket is made smaller by this part, and what flows in meanwhile is how long its leases last.
const PART_OF_BUCKET: u64 = 20;

/// The bucket of a limiter with leases: smaller by what flows in while one lasts.
pub(crate) fn smaller(policy: Policy) -> Result<Policy, BuildError> {
    if policy.kind() != Kind::TokenBucket {
        return Ok(policy);
    }
    let burst = policy.limit();
    match burst - burst.div_ceil(PART_OF_BUCKET) {
        0 => Err(BuildError::new(
            BuildErrorKind::Limit,
            "a bucket with leases has a burst of at least 2".to_owned(),
        )),
        less => Ok(policy.burst(less)),
    }
}

/// How long the part by which [`smaller`] made it takes to flow in, at least.
fn lease_of(policy: &Policy) -> Life {
    let (_, fills) = policy.as_bucket();
    // What was taken away is a nineteenth, or more, of what is left.
    Life::For(micros(fills) / (PART_OF_BUCKET - 1))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leases({} subjects)", self.held.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::plan::Options;
    use crate::wire::Ruling;

    #[test]
    fn what_was_asked_for_before_it_was_ended_is_not_spent_after() {
        let plan = Plan::of_one(Policy::fixed_window(100, LONGEST), &Options::default());
        let answer = Answer {
            ruling: Ruling::Allowed,
            policy: 1,
            watching: 0,
            is_marked: false,
            limit: 100,
            current: 11,
            charged: 11,
            wait: 0,
            idle: 60_000_000,
            now: 1,
        };
        let lease = Lease::new(plan.unwrap(), Life::Window);
        let granted = |ended: u64| lease.granted(answer, 1, Instant::now(), ended);
        let ended = lease.ended();
        assert_eq!(granted(ended).back.cost, 0);
        assert!(lease.spend(10).is_some());
        // As `Leases::end` does, while it is being asked for.
        lease.lock().ended += 1;
        assert_eq!(granted(ended).back.cost, 10);
        assert!(lease.spend(1).is_none());
        // What is left when a subject turns out to have a limit of its own is given back at once, as of when it was charged.
        let ended = lease.ended();
        granted(ended);
        let marked = Answer {
            is_marked: true,
            now: 9,
            ..answer
        };
        let back = lease.granted(marked, 1, Instant::now(), ended).back;
        assert_eq!((back.cost, back.charged_at), (20, 1));
    }
}
