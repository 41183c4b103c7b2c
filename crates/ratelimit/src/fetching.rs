//! Calls that are paid from what this process fetches ahead.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use russet_core::{Error, Key};

use crate::decision::{Decision, Source, Verdict};
use crate::limiter::Limiter;
use crate::speed::{Back, Lease};
use crate::wire::{Answer, Mode};

impl Limiter {
    /// The same in a task of its own: what is fetched for others shall not be lost with one who goes away.
    pub(crate) async fn fetched(
        &self,
        key: Key,
        cost: u64,
        lease: Arc<Lease>,
    ) -> Result<Decision, Error> {
        let fetching = tokio::spawn(self.clone().fetch(key.clone(), cost, lease));
        match fetching.await {
            Ok(decision) => decision,
            // The runtime ends.
            Err(_) => Box::pin(self.decide_there(key, cost, Mode::Whole)).await,
        }
    }

    /// Fetches more than a call needs, for those that come next; while one does, others ask for themselves.
    async fn fetch(self, key: Key, cost: u64, lease: Arc<Lease>) -> Result<Decision, Error> {
        let (Some(leases), Ok(_one)) = (&self.inner.leases, lease.refill.try_lock()) else {
            return self.decide_there(key, cost, Mode::Whole).await;
        };
        let (wanted, ended, asked) = (leases.wanted(&lease, cost), lease.ended(), Instant::now());
        if wanted == cost {
            // Nothing is fetched ahead; how much is spent is to be known for the next time.
            let decision = self.decide_there(key.clone(), cost, Mode::Whole).await?;
            if let Some(answer) = decision.of_redis() {
                self.hold(&key, &lease, answer, cost, asked, ended).await;
            }
            return Ok(decision);
        }
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let answer = match self.ask_long(&key, wanted, 0, Mode::UpTo).await {
            Ok(answer) => answer,
            Err(error) => return self.conclude(&key, cost, Mode::Whole, Err(error), asked, None),
        };
        let granted = u64::try_from(answer.charged).unwrap_or(0);
        if granted < cost {
            // Less than it costs: it is denied, and is told for how long.
            if granted > 0 {
                let charged_at = answer.now;
                let _ = self.give_back(key.clone(), granted, charged_at).await;
            }
            return self.decide_there(key, cost, Mode::Whole).await;
        }
        self.inner.told.back(&self.inner.name);
        self.inner
            .checked
            .record(Verdict::Allowed.name(), asked.elapsed());
        let told = self.hold(&key, &lease, answer, cost, asked, ended).await;
        let decision = Decision::new(self.plan.rules.clone(), told, Source::Redis);
        Ok(self.told(&key, decision))
    }

    /// Keeps what Redis granted to one who asked at this time, but for this much; what that one is told.
    #[allow(
        clippy::too_many_arguments,
        reason = "what was asked, when, and what was answered"
    )]
    async fn hold(
        &self,
        key: &Key,
        lease: &Arc<Lease>,
        answer: Answer,
        cost: u64,
        asked: Instant,
        ended: u64,
    ) -> Answer {
        let granted = lease.granted(answer, cost, asked, ended);
        if granted.is_first {
            let (limiter, key, lease) = (self.clone(), key.clone(), lease.clone());
            tokio::spawn(async move { limiter.watch(key, lease).await });
        }
        let Back { cost, charged_at } = granted.back;
        if cost > 0 {
            // It stays charged if it cannot be given back.
            let _ = self.give_back(key.clone(), cost, charged_at).await;
        }
        granted.told
    }

    /// Gives back what is left of a lease when it dies.
    async fn watch(self, key: Key, lease: Arc<Lease>) {
        while let Some(dies) = lease.dies() {
            if Instant::now() < dies {
                tokio::time::sleep_until(dies.into()).await;
                continue;
            }
            let Back { cost, charged_at } = lease.end();
            if cost > 0 && self.give_back(key.clone(), cost, charged_at).await.is_err() {
                tracing::debug!(target: "russet::ratelimit", limiter = self.inner.name, cost, "what was not spent stays charged");
            }
        }
    }

    /// Gives back what this process has fetched ahead and not spent: before it ends, or it stays charged. One round trip for each 32 subjects.
    ///
    /// # Errors
    /// As [`record`](Limiter::record): the first.
    ///
    /// # Cancel safety
    /// A dropped call may have given some of it back.
    pub async fn return_leases(&self) -> Result<(), Error> {
        let Some(leases) = &self.inner.leases else {
            return Ok(());
        };
        let all = leases.all().into_iter().map(|(key, lease)| {
            let back = lease.end();
            (key, lease, back)
        });
        let back = all.filter(|(.., back)| back.cost > 0);
        let back = back.map(async |(key, lease, back)| self.return_lease(key, &lease, back).await);
        join_all(back).await.into_iter().collect()
    }

    /// By the policies that it was charged by: those of another operation, perhaps.
    pub(crate) async fn return_lease(
        &self,
        key: Key,
        lease: &Lease,
        Back { cost, charged_at }: Back,
    ) -> Result<(), Error> {
        let its = Limiter {
            plan: lease.plan.clone(),
            ..self.clone()
        };
        its.give_back(key, cost, charged_at).await.map(drop)
    }

    /// What is held of a subject is not spent any more, because something else holds of it now.
    pub(crate) fn end_lease(&self, key: &Key) -> Option<(Arc<Lease>, Back)> {
        self.inner.leases.as_ref()?.end(key)
    }
}
