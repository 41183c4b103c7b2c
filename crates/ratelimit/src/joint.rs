//! One decision about several subjects.

use std::time::Instant;

use russet_core::{Error, Key, KeyPart};

use crate::decision::{Decision, Source, Verdict};
use crate::limiter::Limiter;
use crate::speed::{Call, Part};
use crate::wire::{EXACT, Mode, unreadable};

/// One decision about several subjects, each with a limiter of its own: a user, an address, a tenant, all or nothing.
///
/// Where the limiters' keys may stand in one script, it is one script, and atomic: on one server always, on a cluster if all of them share
/// a hash slot (the same subject, or a namespace of [one shard](russet_core::Namespace::shards)). Else the subjects are asked one after
/// the other, in the order of being named, and what was charged is given back where a later one is denied: others may be denied meanwhile
/// by what is given back, and a process that ends in between leaves it charged.
#[derive(Debug)]
#[must_use = "nothing is decided until `check`"]
pub struct Joint {
    parts: Vec<(Limiter, Key)>,
    cost: u64,
}

/// What became of a [`Joint`] call.
#[derive(Clone, Debug)]
#[must_use = "whoever does not look at the decision limits nothing"]
pub struct Joined {
    decisions: Vec<Decision>,
}

impl Joint {
    /// About a limiter's subject.
    pub fn of<S: KeyPart + ?Sized>(limiter: &Limiter, subject: &S) -> Self {
        Joint {
            parts: vec![(limiter.clone(), limiter.key(subject))],
            cost: 1,
        }
    }

    /// And about this one.
    pub fn and<S: KeyPart + ?Sized>(mut self, limiter: &Limiter, subject: &S) -> Self {
        self.parts.push((limiter.clone(), limiter.key(subject)));
        self
    }

    /// What the call costs each of them; 1 unless told.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// Decides, and charges all of them or none. One round trip where one script may have their keys, else one for each until one is
    /// denied, and one for each that is given back.
    ///
    /// # Errors
    /// As [`Limiter::check`]; [`Config`](crate::ErrorKind::Config) if a subject is named twice for one limiter.
    ///
    /// # Cancel safety
    /// A dropped call may have been charged; where it takes several round trips, also if it would have been denied.
    pub async fn check(self) -> Result<Joined, Error> {
        self.named_once()?;
        if let Some(denied) = self.denied_here() {
            return Ok(denied);
        }
        match self.is_one_script() {
            true => self.together().await,
            false => self.in_order().await,
        }
    }

    fn named_once(&self) -> Result<(), Error> {
        for (limiter, _) in &self.parts {
            limiter.plan.rules.check()?;
        }
        for (at, (_, key)) in self.parts.iter().enumerate() {
            if self.parts[..at].iter().any(|(_, other)| other == key) {
                return Err(russet_core::BuildError::new(
                    russet_core::BuildErrorKind::Conflict,
                    "a subject is named twice in one decision; give its limiter both policies instead",
                )
                .into());
            }
        }
        Ok(())
    }

    /// What this process knows to be denied: nobody needs to be asked then.
    fn denied_here(&self) -> Option<Joined> {
        let known: Vec<Option<Decision>> = self
            .parts
            .iter()
            .map(|(limiter, key)| limiter.denied_here(key, self.cost))
            .collect();
        known.iter().any(Option::is_some).then(|| Joined {
            decisions: known
                .into_iter()
                .zip(&self.parts)
                .map(|(known, (limiter, key))| known.unwrap_or_else(|| limiter.held_back(key)))
                .collect(),
        })
    }

    fn is_one_script(&self) -> bool {
        let Some((first, key)) = self.parts.first() else {
            return false;
        };
        let first = &first.inner;
        self.parts.iter().all(|(limiter, other)| {
            limiter.inner.server == first.server
                && (!first.lane.is_cluster() || other.slot() == key.slot())
        })
    }

    async fn together(&self) -> Result<Joined, Error> {
        let Some((first, _)) = self.parts.first() else {
            return Err(unreadable());
        };
        let parts = self.parts.iter().map(|(limiter, key)| Part {
            logs: limiter.logs_of(key),
            key: key.clone(),
            rules: limiter.plan.rules.clone(),
            mode: Mode::Whole,
            cost: i64::try_from(self.cost.min(EXACT)).unwrap_or(i64::MAX),
            charged_at: 0,
        });
        let call = Call {
            parts: parts.collect(),
        };
        let began = Instant::now();
        let asked: Vec<_> = self
            .parts
            .iter()
            .map(|(limiter, key)| {
                let denied = limiter.inner.denied.as_ref();
                denied.map(|denied| denied.asking(key))
            })
            .collect();
        let answers: Vec<_> = match first.inner.calls.call(call).await {
            Ok(answers) if answers.len() == self.parts.len() => {
                answers.into_iter().map(Ok).collect()
            }
            Ok(_) => return Err(unreadable()),
            Err(error) => vec![Err(error); self.parts.len()],
        };
        let decided = self.parts.iter().zip(answers).zip(asked);
        let decisions = decided.map(|(((limiter, key), answer), asked)| {
            limiter.conclude(key, self.cost, Mode::Whole, answer, began, asked)
        });
        Ok(Joined {
            decisions: decisions.collect::<Result<_, _>>()?,
        })
    }

    async fn in_order(&self) -> Result<Joined, Error> {
        let mut decisions: Vec<Decision> = Vec::with_capacity(self.parts.len());
        let mut is_denied = false;
        for (limiter, key) in &self.parts {
            if is_denied {
                decisions.push(limiter.held_back(key));
                continue;
            }
            match limiter.decide(key.clone(), self.cost, Mode::Whole).await {
                Ok(decision) => {
                    is_denied = !decision.is_allowed();
                    decisions.push(decision);
                }
                Err(error) => {
                    self.give_back(&mut decisions).await;
                    return Err(error);
                }
            }
        }
        if is_denied {
            self.give_back(&mut decisions).await;
        }
        Ok(Joined { decisions })
    }

    /// What was charged before one was denied. What cannot be given back stays charged, and is told in the log.
    async fn give_back(&self, decisions: &mut [Decision]) {
        for ((limiter, key), decision) in self.parts.iter().zip(decisions) {
            if !decision.is_allowed() {
                continue;
            }
            let charged = match decision.source() {
                Source::Degraded => 0,
                Source::Redis | Source::Local => decision.charged(),
            };
            let charged_at = decision.charged_at();
            limiter.inner.counts.taken_back();
            *decision = limiter.held_back(key);
            if charged > 0
                && let Err(error) = limiter.give_back(key.clone(), charged, charged_at).await
            {
                tracing::warn!(target: "russet::ratelimit", %error, "what a denied call had been charged could not be given back");
            }
        }
    }
}

impl Joined {
    /// Whether the call may go on.
    pub fn is_allowed(&self) -> bool {
        self.decisions.iter().all(Decision::is_allowed)
    }

    /// The decision that tells: the denial with the longest wait, or of the allowed ones the one with the least left.
    pub fn decision(&self) -> Option<&Decision> {
        let denied = self
            .decisions
            .iter()
            .filter(|decision| !decision.is_allowed() && decision.verdict() != Verdict::HeldBack);
        denied
            .max_by_key(|decision| {
                (
                    decision.verdict() == Verdict::Impossible,
                    decision.retry_after(),
                )
            })
            .or_else(|| {
                self.decisions
                    .iter()
                    .min_by_key(|decision| decision.remaining())
            })
    }

    /// Of each subject, in the order of being named. One that would have passed, where another did not, is
    /// [held back](Verdict::HeldBack), and was charged nothing.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }
}
