//! The way of a decision: what this process knows, then Redis, then what is told without it.

use std::time::Instant;

use russet_core::{Error, Key};

use crate::decision::{Decision, Source, Verdict};
use crate::limiter::Limiter;
use crate::outage::{OnOutage, is_outage};
use crate::speed::{Asked, Call, Part};
use crate::wire::{Answer, EXACT, Mode, unreadable};

impl Limiter {
    /// The way of every decision about one subject.
    pub(crate) async fn decide(&self, key: Key, cost: u64, mode: Mode) -> Result<Decision, Error> {
        let lease = match (&self.inner.leases, self.plan.life, mode, cost) {
            (Some(leases), Some(life), Mode::Whole, 1..) => {
                let lease = leases.of(&key, &self.plan, life);
                if let Some(answer) = lease.spend(cost) {
                    return Ok(self.told(&key, Decision::leased(lease, answer)));
                }
                Some(lease)
            }
            _ => None,
        };
        let least = if mode == Mode::UpTo { 1 } else { cost };
        if let Some(denied) = self.denied_here(&key, least) {
            return Ok(denied);
        }
        let cost = cost.min(EXACT);
        match lease {
            Some(lease) => self.fetched(key, cost, lease).await,
            None => self.decide_there(key, cost, mode).await,
        }
    }

    /// The way of a decision that Redis makes.
    pub(crate) async fn decide_there(
        &self,
        key: Key,
        cost: u64,
        mode: Mode,
    ) -> Result<Decision, Error> {
        let began = Instant::now();
        let asked = self.inner.denied.as_ref().map(|denied| denied.asking(&key));
        let answer = self.ask(&key, cost, mode).await;
        self.conclude(&key, cost, mode, answer, began, asked)
    }

    /// What is told of Redis' answer, or of there being none.
    pub(crate) fn conclude(
        &self,
        key: &Key,
        cost: u64,
        mode: Mode,
        answer: Result<Answer, Error>,
        began: Instant,
        asked: Option<Asked>,
    ) -> Result<Decision, Error> {
        let (inner, rules) = (&*self.inner, &self.plan.rules);
        match answer {
            Ok(answer) => {
                inner.told.back(&inner.name);
                if let (Some(denied), Some(asked)) = (&inner.denied, asked)
                    && !rules.charges_denied()
                    && rules.escalation().is_none()
                {
                    let least = if mode == Mode::UpTo { 1 } else { cost };
                    denied.note(key, rules, least, answer, asked);
                }
                let decision = Decision::new(rules.clone(), answer, Source::Redis);
                inner
                    .checked
                    .record(decision.verdict().name(), began.elapsed());
                Ok(self.told(key, decision))
            }
            Err(error) if is_outage(&error) => {
                inner.told.away(&inner.name, &error, inner.on_outage);
                inner.checked.record(error.kind_name(), began.elapsed());
                Ok(self.told(key, self.without_redis(key, cost, mode)))
            }
            Err(error) => {
                inner.checked.record(error.kind_name(), began.elapsed());
                inner.counts.failed();
                Err(error.on("check", Some(key)))
            }
        }
    }

    /// What can be told without Redis: a denial that is remembered, and a cost that nothing can count.
    pub(crate) fn denied_here(&self, key: &Key, cost: u64) -> Option<Decision> {
        let rules = &self.plan.rules;
        if cost > EXACT {
            let impossible = Decision::unknown(rules.clone(), Verdict::Impossible, Source::Local);
            return Some(self.told(key, impossible));
        }
        let denied = self.inner.denied.as_ref()?;
        let (denied, answer) = denied.look(key, rules, cost)?;
        Some(self.told(key, Decision::denied(denied, answer)))
    }

    /// Of a call that another subject held back.
    pub(crate) fn held_back(&self, key: &Key) -> Decision {
        self.told(
            key,
            Decision::unknown(self.plan.rules.clone(), Verdict::HeldBack, Source::Local),
        )
    }

    /// The short way where there is one and it can tell, else the long one.
    async fn ask(&self, key: &Key, cost: u64, mode: Mode) -> Result<Answer, Error> {
        if let (Some(take), Mode::Whole) = (&self.plan.take, mode)
            && let Some(answer) = take.call(key.clone(), cost).await?
        {
            return Ok(answer);
        }
        self.ask_long(key, i64::try_from(cost).unwrap_or(i64::MAX), 0, mode)
            .await
    }

    pub(crate) async fn ask_long(
        &self,
        key: &Key,
        cost: i64,
        charged_at: u64,
        mode: Mode,
    ) -> Result<Answer, Error> {
        self.plan.rules.check()?;
        let part = Part {
            logs: self.logs_of(key),
            key: key.clone(),
            rules: self.plan.rules.clone(),
            mode,
            cost,
            charged_at,
        };
        let answers = self.inner.calls.call(Call { parts: vec![part] }).await?;
        answers.first().copied().ok_or_else(unreadable)
    }

    /// What the limiter's [`OnOutage`] says.
    pub(crate) fn without_redis(&self, key: &Key, cost: u64, mode: Mode) -> Decision {
        let rules = self.plan.rules.clone();
        if let Some(shares) = &self.inner.shares {
            return match shares.decide(key, &rules, cost, mode == Mode::UpTo) {
                Some(answer) => Decision::new(rules, answer, Source::Degraded),
                None => Decision::unknown(rules, Verdict::Unavailable, Source::Degraded),
            };
        }
        let verdict = match self.inner.on_outage {
            OnOutage::Deny => Verdict::Unavailable,
            OnOutage::Allow | OnOutage::Local { .. } => Verdict::Allowed,
        };
        Decision::unknown(rules, verdict, Source::Degraded)
    }

    pub(crate) fn told(&self, key: &Key, decision: Decision) -> Decision {
        if let Some(tally) = &self.inner.tally {
            tally.decided(key, &decision);
        }
        self.inner.counts.decided(&decision);
        decision
    }
}
