//! The handle.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use russet_core::{
    BuildError, Bytes, Error, Key, KeyPart, Lane, Namespace, Operation, Policy as Sending, Script,
    Server, Stem,
};

use crate::analytics::Tally;
use crate::builder::Builder;
use crate::decision::Decision;
use crate::keys::{self, PEEK};
use crate::limits::{Limits, Table};
use crate::outage::{OnOutage, Shares, Told};
use crate::peek::Peek;
use crate::plan::{Options, Plan};
use crate::policy::Policy;
use crate::recorded::Recorded;
use crate::reservation::{Reservation, Reserved};
use crate::speed::{Calls, DenyCache, Leases};
use crate::stats::{Counts, Stats};
use crate::turns::Turns;
use crate::wire::{Answer, EXACT, Mode, unreadable};

static PEEKING: Script = Script::new(PEEK);

/// Limits how often subjects may do something. Cheap to clone.
///
/// A subject is a user, an address, a tenant: anything that is a [`KeyPart`]. Whatever it holds, it cannot leave its place in the key.
/// What is counted of it is one hash; all policies of the limiter decide together, in one script, all or nothing.
///
/// Calls that wait at the same moment share a script. A check has 100 ms; while Redis is away, [`OnOutage`] says what callers are told.
#[derive(Clone)]
pub struct Limiter {
    pub(crate) inner: Arc<Inner>,
    pub(crate) plan: Arc<Plan>,
    /// Which operation's it is.
    pub(crate) operation: Option<Arc<str>>,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) stem: Stem,
    pub(crate) lane: Lane,
    pub(crate) server: Server,
    pub(crate) options: Options,
    /// The policies of each operation.
    pub(crate) table: RwLock<Arc<Table>>,
    pub(crate) calls: Calls,
    pub(crate) on_outage: OnOutage,
    pub(crate) shares: Option<Shares>,
    pub(crate) told: Told,
    pub(crate) denied: Option<DenyCache>,
    pub(crate) leases: Option<Leases>,
    pub(crate) counts: Counts,
    pub(crate) tally: Option<Tally>,
    pub(crate) checked: Operation,
    pub(crate) turns: Turns,
    /// The window of [`is_allowed`](Limiter::is_allowed).
    pub(crate) window: Duration,
}

impl Limiter {
    /// Configures a limiter; its name stands in its keys: `<prefix>:ratelimit:<name>:{<subject>}`.
    pub fn builder(ns: &Namespace, name: &str) -> Builder {
        Builder::new(ns, name)
    }

    /// Decides about one call of a subject, and charges it if it is allowed. One round trip, shared with whoever asks at the same
    /// moment.
    ///
    /// # Errors
    /// What waiting does not heal: a refused permission, a key of another type. An outage is none: [`OnOutage`] says what is told then.
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn check<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<Decision, Error> {
        self.check_n(subject, 1).await
    }

    /// The same for a call that costs as much as `cost` calls do. A cost above a limit is
    /// [`Impossible`](crate::Verdict::Impossible); one of 0 always passes, but for a blocked subject.
    ///
    /// # Errors
    /// As [`check`](Limiter::check).
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn check_n<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        cost: u64,
    ) -> Result<Decision, Error> {
        let key = self.key(subject);
        self.decide(key, cost, Mode::Whole).await
    }

    /// Charges as much of a cost as fits, at least 1: [`Decision::charged`] says how much. Denied where nothing fits.
    ///
    /// # Errors
    /// As [`check`](Limiter::check).
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn up_to<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        most: u64,
    ) -> Result<Decision, Error> {
        let key = self.key(subject);
        self.decide(key, most.max(1), Mode::UpTo).await
    }

    /// Decides about many calls, each by itself, in the order of their subjects. One round trip for each 32 of them, all at the same
    /// time.
    ///
    /// # Errors
    /// As [`check`](Limiter::check), each for itself.
    ///
    /// # Cancel safety
    /// Dropped calls may have been charged.
    pub async fn check_many<'s, S: KeyPart + ?Sized + 's>(
        &self,
        calls: impl IntoIterator<Item = (&'s S, u64)>,
    ) -> Vec<Result<Decision, Error>> {
        let calls = calls.into_iter().map(|(subject, cost)| {
            let key = self.key(subject);
            self.decide(key, cost, Mode::Whole)
        });
        join_all(calls).await
    }

    /// Decides by another policy than the limiter's, with a limit and a window of this call's own. What it counts is stored under
    /// that policy's name, and goes on from what was counted under it before, whatever the limit was.
    ///
    /// # Errors
    /// As [`check`](Limiter::check); also [`Config`](crate::ErrorKind::Config) for a policy that cannot be meant.
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn check_with<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        policy: &Policy,
    ) -> Result<Decision, Error> {
        let other = Limiter {
            plan: Plan::of_one(policy.clone(), &self.inner.options)?,
            ..self.clone()
        };
        let key = self.key(subject);
        other.decide(key, 1, Mode::Whole).await
    }

    /// Whether a subject may, by a sliding window of this limit and the builder's [`window`](Builder::window), a minute unless told: whether it
    /// is allowed, how much is counted, how much is left. While Redis is away it is what [`OnOutage`] says, with nothing counted.
    ///
    /// # Errors
    /// As [`check_with`](Limiter::check_with).
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn is_allowed<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        limit: u64,
    ) -> Result<(bool, u64, u64), Error> {
        // Not under the name that a window of the limiter itself has.
        let policy = Policy::sliding_window(limit, self.inner.window).named("is_allowed");
        let decision = self.check_with(subject, &policy).await?;
        Ok((
            decision.is_allowed(),
            decision.current(),
            decision.remaining(),
        ))
    }

    /// Counts what has happened, also above the limit, by one more limit at most; what is beyond that is told. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has, outages too.
    ///
    /// # Cancel safety
    /// A dropped call may have been counted.
    pub async fn record<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        cost: u64,
    ) -> Result<Recorded, Error> {
        self.force(self.key(subject), cost, Mode::Record).await
    }

    /// Charges a subject as a punishment: as [`record`](Limiter::record), and where the limiter [blocks](Builder::block_after) it counts
    /// as a denial.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have been counted.
    pub async fn penalize<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        cost: u64,
    ) -> Result<Recorded, Error> {
        self.force(self.key(subject), cost, Mode::Penalize).await
    }

    /// Gives back what was charged, to the oldest of what counts first, and no more than counts. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have given it back.
    pub async fn refund<S: KeyPart + ?Sized>(&self, subject: &S, cost: u64) -> Result<(), Error> {
        let given = self.give_back(self.key(subject), cost, 0);
        given.await.map(drop)
    }

    /// Charges an estimate, to be settled when the cost is known: for tokens of a language model, or bytes. Dropped, the reservation
    /// stays charged.
    ///
    /// # Errors
    /// As [`check`](Limiter::check).
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn reserve<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        estimate: u64,
    ) -> Result<Reserved, Error> {
        let key = self.key(subject);
        let decision = self.decide(key.clone(), estimate, Mode::Whole).await?;
        Ok(match decision.is_allowed() {
            true => Reserved::Granted(Reservation::new(self.clone(), key, decision)),
            false => Reserved::Refused(decision),
        })
    }

    /// What is counted of a subject; nothing is charged. One round trip, of a script that a replica or a full server runs too.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn peek<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<Peek, Error> {
        let key = self.key(subject);
        self.plan.rules.check()?;
        let mut now = crate::speed::here();
        for _ in 0..3 {
            let mut args = vec![Bytes::from_static(b"1")];
            self.plan.rules.write(now, &mut args);
            let keys = self.keys_of(&key);
            let reply =
                self.inner
                    .lane
                    .script::<Vec<Bytes>>(&PEEKING, &keys, args, Sending::Idempotent);
            // Boxed, as all that is asked seldom: its future is large.
            let reply = Box::pin(reply).await?;
            match Peek::read(&self.plan.rules, &reply)? {
                Ok(peek) => return Ok(peek),
                Err(there) => now = there,
            }
        }
        Err(unreadable())
    }

    /// The limiter of one operation, by the table of the builder's [`limits`](Builder::limits): of those it has there, or the default ones, or
    /// else the limiter's own policies. What is counted is counted for each operation by itself.
    ///
    /// It holds the policies as they are now; ask again after they [have changed](Limiter::set_limits), as costs next to nothing.
    #[must_use]
    pub fn operation(&self, operation: &str) -> Limiter {
        let table = self
            .inner
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Limiter {
            plan: table.of(operation).unwrap_or_else(|| self.plan.clone()),
            operation: Some(operation.into()),
            inner: self.inner.clone(),
        }
    }

    /// Puts another table in the place of the builder's [`limits`](Builder::limits), in this process. What was counted stays, where a policy of
    /// the same name and algorithm takes it over.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](russet_core::BuildErrorKind::Limit) for a policy that cannot be meant, and then nothing has changed.
    pub fn set_limits(&self, limits: &Limits) -> Result<(), BuildError> {
        let before = self
            .inner
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let table = Table::new(limits, &self.inner.lane, &self.inner.options, &before)?;
        // Nothing under this lock panics.
        *self
            .inner
            .table
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    /// What it has done in this process since it was built.
    pub fn stats(&self) -> Stats {
        self.inner.counts.stats()
    }

    /// Its policies, in the order of the builder.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.plan.rules.policies()
    }

    pub(crate) fn key<S: KeyPart + ?Sized>(&self, subject: &S) -> Key {
        match &self.operation {
            None => keys::subject(&self.inner.stem, subject),
            Some(operation) => keys::subject_of(&self.inner.stem, operation, subject),
        }
    }

    pub(crate) async fn force(&self, key: Key, cost: u64, mode: Mode) -> Result<Recorded, Error> {
        let cost = i64::try_from(cost.min(EXACT)).unwrap_or(i64::MAX);
        let answer = self
            .ask_long(&key, cost, 0, mode)
            .await
            .map_err(|error| error.on("record", Some(&key)))?;
        Ok(Recorded::new(&answer, cost))
    }

    /// Gives back what was charged then, as far as it still counts; what is counted then.
    pub(crate) async fn give_back(
        &self,
        key: Key,
        cost: u64,
        charged_at: u64,
    ) -> Result<Answer, Error> {
        let cost = i64::try_from(cost.min(EXACT)).unwrap_or(i64::MAX);
        let given = self.ask_long(&key, -cost, charged_at, Mode::Record).await;
        // Also if nobody knows whether it was.
        self.forget(&key);
        given.map_err(|error| error.on("refund", Some(&key)))
    }

    pub(crate) fn forget(&self, key: &Key) {
        if let Some(denied) = &self.inner.denied {
            denied.forget(key);
        }
    }

    pub(crate) fn logs_of(&self, key: &Key) -> Vec<Key> {
        self.plan
            .rules
            .logs()
            .map(|policy| keys::log(&self.inner.stem, key, policy))
            .collect()
    }

    pub(crate) fn keys_of(&self, key: &Key) -> Vec<Key> {
        let mut keys = vec![key.clone()];
        keys.extend(self.logs_of(key));
        keys
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Limiter({}: {:?})",
            self.inner.stem.as_str(),
            self.plan.rules
        )
    }
}
