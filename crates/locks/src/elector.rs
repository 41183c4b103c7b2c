//! Who leads.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use russet_core::{BuildError, BuildErrorKind, Error};

use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::{Guard, Release};
use crate::holder::LostReason;
use crate::inspect::Held;
use crate::lock::{Cx, Lock, work_under};

/// How soon somebody who was not elected at once asks who was.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// How long one who stands for election does so before it asks anew.
const STANDS: Duration = Duration::from_hours(1);

/// Who leads: one of all processes that stand for it.
///
/// A leader steps down when it could not renew its lease by a deadline that is shorter than the lease: nobody else leads before, even if the two
/// clocks run at rates that differ as lease and deadline do. As with every lock, what a leader had sent may arrive after it has lost: only its
/// [`Fence`] keeps that out.
#[derive(Clone)]
pub struct Elector {
    lock: Lock,
    deadline: Option<Duration>,
}

/// One process that stands for election, and leads when it is elected, as long as this lives.
pub struct Campaign {
    lock: Lock,
    stage: Stage,
    /// When to look who leads.
    look: Instant,
    /// Who was seen to lead.
    seen: Option<Fence>,
}

enum Stage {
    Beginning,
    Standing(BoxFuture<'static, Result<Option<Guard>, LockError>>),
    /// It stands again then.
    Resting(Instant),
    Leading(Guard),
}

/// What happens in an election.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This process leads from now on; every later leader's fence is higher.
    Elected(Fence),
    /// It does not lead any more.
    Lost(LostReason),
    /// Somebody else does.
    Observed(Held),
    /// Redis could not be asked; it is asked again.
    Failed(LockError),
}

impl Elector {
    pub(crate) fn new(lock: Lock) -> Self {
        Elector {
            lock: lock.lease(Duration::from_secs(15)),
            deadline: None,
        }
    }

    /// How long nobody leads after a leader was killed: 100 ms to 1 day; 15 s unless told.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lock.lease = lease;
        self
    }

    /// How long a leader goes on without having renewed its lease: half of it or more, and less than all; two thirds unless told.
    #[must_use]
    pub fn renew_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Stands for election, as long as [`next`](Campaign::next) is polled.
    ///
    /// # Errors
    /// [`LockError::Redis`] for a name, a lease or a deadline that cannot be meant.
    pub fn campaign(&self) -> Result<Campaign, LockError> {
        let mut lock = self.lock.clone();
        lock.check()?;
        lock.relies = self.deadline.unwrap_or(lock.lease * 2 / 3);
        if lock.relies < lock.lease / 2 || lock.relies >= lock.lease {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "a leader that renews a lease of {:?} within {:?}; it must be half of it at least, or one lost renewal would end every term, and less than all",
                    lock.lease, lock.relies
                ),
            )
            .into());
        }
        Ok(Campaign {
            lock,
            stage: Stage::Beginning,
            look: Instant::now(),
            seen: None,
        })
    }

    /// Stands for election until the work was done, and does it in each term anew: it is dropped when the term ends before it does.
    ///
    /// # Errors
    /// As [`campaign`](Elector::campaign). While Redis cannot be asked it goes on asking, and logs that.
    ///
    /// # Cancel safety
    /// The work is dropped, and somebody else is elected.
    pub async fn run<F, T>(&self, mut work: impl FnMut(Cx) -> F) -> Result<T, LockError>
    where
        F: Future<Output = T>,
    {
        let mut campaign = self.campaign()?;
        loop {
            let event = campaign.next().await;
            if let Event::Failed(error) = &event {
                tracing::warn!(target: "russet::locks", lock = &*self.lock.name, %error, "nobody knows who leads; asking again");
            }
            let Some(guard) = campaign.guard() else {
                continue;
            };
            if let Ok(done) = work_under(guard, &mut work).await {
                // Or its lease ends.
                let _ = campaign.resign().await;
                return Ok(done);
            }
        }
    }

    /// Who leads now. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn leader(&self) -> Result<Option<Held>, Error> {
        Ok(self.lock.inspect().await?.holders.pop())
    }
}

impl Campaign {
    /// What happens next. It waits in the queue of those who stand, without polling; who leads is asked each third of a lease.
    ///
    /// # Cancel safety
    /// Safe to drop: nothing is lost, neither its place in the queue nor a term.
    pub async fn next(&mut self) -> Event {
        loop {
            match &mut self.stage {
                Stage::Leading(guard) => {
                    let reason = guard.lost().await;
                    self.stage = Stage::Beginning;
                    return Event::Lost(reason);
                }
                Stage::Beginning => {
                    let lock = self.lock.clone();
                    let stands = async move { lock.lock_within(STANDS).await };
                    self.stage = Stage::Standing(stands.boxed());
                    self.look = Instant::now() + FIRST_LOOK;
                }
                Stage::Resting(till) => {
                    tokio::time::sleep_until((*till).into()).await;
                    self.stage = Stage::Beginning;
                }
                Stage::Standing(stands) => tokio::select! {
                    biased;
                    taken = stands => match taken {
                        Ok(Some(guard)) => {
                            let fence = guard.fence();
                            self.stage = Stage::Leading(guard);
                            self.seen = Some(fence);
                            return Event::Elected(fence);
                        }
                        Ok(None) => self.stage = Stage::Beginning,
                        Err(error) => {
                            // Not all who stand at the same time.
                            let pause = self.lock.lease.mul_f64(0.1 + 0.2 * fastrand::f64());
                            self.stage = Stage::Resting(Instant::now() + pause);
                            return Event::Failed(error);
                        }
                    },
                    other = observe(&self.lock, self.seen, &mut self.look) => {
                        self.seen = Some(other.fence);
                        return Event::Observed(other);
                    }
                },
            }
        }
    }

    /// Whether this process leads, by the clock of now; no round trip.
    pub fn is_leader(&self) -> bool {
        self.guard().is_some_and(Guard::is_held)
    }

    /// What it leads by, if it does.
    pub fn guard(&self) -> Option<&Guard> {
        match &self.stage {
            Stage::Leading(guard) => Some(guard),
            _ => None,
        }
    }

    /// Steps down, and waits until that is known; nothing if it did not lead. Standing again begins with [`next`](Campaign::next), behind all
    /// others.
    ///
    /// # Errors
    /// As [`Guard::release`].
    ///
    /// # Cancel safety
    /// A dropped call steps down all the same.
    pub async fn resign(&mut self) -> Result<Option<Release>, Error> {
        match std::mem::replace(&mut self.stage, Stage::Beginning) {
            Stage::Leading(guard) => Ok(Some(guard.release().await?)),
            stage => {
                self.stage = stage;
                Ok(None)
            }
        }
    }
}

/// Until somebody leads who was not seen to.
async fn observe(lock: &Lock, seen: Option<Fence>, look: &mut Instant) -> Held {
    loop {
        tokio::time::sleep_until((*look).into()).await;
        let told = lock.inspect().await;
        *look = Instant::now() + lock.lease / 3;
        if let Ok(mut told) = told
            && let Some(other) = told.holders.pop()
            && Some(other.fence) != seen
        {
            return other;
        }
    }
}

impl fmt::Debug for Elector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elector({})", self.lock.name)
    }
}

impl fmt::Debug for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign")
            .field("name", &self.lock.name)
            .field("leads", &self.guard())
            .finish()
    }
}
