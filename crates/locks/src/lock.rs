//! One lock, which one at a time may hold.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{BuildError, BuildErrorKind, Bytes, Error, ErrorKind, Policy, Script};

use crate::builder::check_lease;
use crate::clock::{Moment, micros};
use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::{Guard, Release};
use crate::hold::Hold;
use crate::holder::LostReason;
use crate::keys::{LockKeys, WAIT};
use crate::locks::Inner;
use crate::owner::Owner;
use crate::release::Leaving;
use crate::wire::Taken;

static WAITING: Script = Script::new(WAIT);

/// How long one who waits counts as alive after it was heard of; it is heard of each third of that.
const HEARD: Duration = Duration::from_secs(3);
/// How often one who cannot be woken asks.
const POLL: Duration = Duration::from_millis(100);

/// A lock that one at a time may hold. Cheap to clone.
#[derive(Clone)]
pub struct Mutex {
    inner: Arc<Inner>,
    name: Arc<str>,
    lease: Duration,
    seen: Fence,
}

/// What work under a lock knows of it.
#[derive(Clone)]
pub struct Cx(Arc<Hold>);

/// Somebody who asks, and may have got it without knowing.
struct Attempt<'m> {
    mutex: &'m Mutex,
    owner: Owner,
    is_open: bool,
}

impl Mutex {
    pub(crate) fn new(inner: Arc<Inner>, name: &str) -> Self {
        Mutex {
            lease: inner.lease,
            inner,
            name: name.into(),
            seen: Fence(0),
        }
    }

    pub(crate) fn parts(&self) -> (&Inner, &str) {
        (&self.inner, &self.name)
    }

    /// With another lease than the builder's: 100 ms to 1 day, or taking it is an error.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Only with a fence above this one, which was seen at the resource: else it is [`FenceUncertain`](LockError::FenceUncertain).
    #[must_use]
    pub fn above(mut self, seen: Fence) -> Self {
        self.seen = seen;
        self
    }

    /// Takes it if nobody has it, and nobody waits for it; `None` is busy. One round trip, shared with whoever takes other locks at the same
    /// moment; two where somebody waited.
    ///
    /// # Errors
    /// [`LockError::Redis`], also for a name or a lease that cannot be meant; [`LockError::FenceUncertain`].
    ///
    /// # Cancel safety
    /// What a dropped call may have taken is released in the background.
    pub async fn try_lock(&self) -> Result<Option<Guard>, LockError> {
        self.acquire(None).await
    }

    /// Takes it, or waits for it, at most so long; `None` is busy for all that time.
    ///
    /// Who waits is told when it is handed to them: no polling. A round trip to take it, and if somebody has it two more.
    ///
    /// # Errors
    /// As [`try_lock`](Mutex::try_lock).
    ///
    /// # Cancel safety
    /// As [`try_lock`](Mutex::try_lock); whoever waited does not any more.
    pub async fn lock_within(&self, limit: Duration) -> Result<Option<Guard>, LockError> {
        self.lock_until(Instant::now() + limit.min(Duration::from_hours(24)))
            .await
    }

    /// The same until a time.
    ///
    /// # Errors
    /// As [`try_lock`](Mutex::try_lock).
    ///
    /// # Cancel safety
    /// As [`lock_within`](Mutex::lock_within).
    pub async fn lock_until(&self, deadline: Instant) -> Result<Option<Guard>, LockError> {
        self.acquire(Some(deadline)).await
    }

    /// Takes it, or waits for it as long as the builder's [`acquire_timeout`](crate::Builder::acquire_timeout).
    ///
    /// # Errors
    /// [`LockError::Timeout`]; as [`try_lock`](Mutex::try_lock).
    ///
    /// # Cancel safety
    /// As [`lock_within`](Mutex::lock_within).
    pub async fn lock(&self) -> Result<Guard, LockError> {
        let limit = self.inner.acquire;
        self.lock_within(limit)
            .await?
            .ok_or(LockError::Timeout(limit))
    }

    /// Does something under the lock, and cancels it when the lock is lost: the work's future is dropped then.
    ///
    /// # Errors
    /// As [`lock`](Mutex::lock); [`LockError::Lost`].
    ///
    /// # Cancel safety
    /// The work is dropped, and the lock released.
    pub async fn run<F, T>(&self, work: impl FnOnce(Cx) -> F) -> Result<T, LockError>
    where
        F: Future<Output = T>,
    {
        let guard = self.lock().await?;
        let work = work(Cx(guard.hold().clone()));
        tokio::select! {
            biased;
            reason = guard.lost() => Err(LockError::Lost(reason)),
            done = work => {
                if !guard.is_held() {
                    return Err(LockError::Lost(LostReason::Expired));
                }
                match guard.release().await {
                    Ok(Release::Released) => {}
                    Ok(Release::AlreadyLost) => return Err(LockError::Lost(LostReason::Taken)),
                    // It was done while it was held.
                    Err(error) => {
                        tracing::debug!(target: "russet::locks", lock = &*self.name, %error, "a lock is released in the background");
                    }
                }
                Ok(done)
            }
        }
    }

    async fn acquire(&self, deadline: Option<Instant>) -> Result<Option<Guard>, LockError> {
        self.check()?;
        let mut attempt = Attempt {
            mutex: self,
            owner: self.inner.owner(),
            is_open: true,
        };
        let sent = Moment::now();
        let taken = attempt.ended(self.take(attempt.owner).await)?;
        let deadline = deadline.filter(|deadline| Instant::now() < *deadline);
        match (taken, deadline) {
            (Taken::Granted(fence, left), _) => Ok(Some(attempt.granted(fence, left, sent, false))),
            (Taken::Uncertain(offered), _) => Err(attempt.uncertain(offered)),
            (Taken::Busy(_), None) => Ok(attempt.busy()),
            // Whoever waited may not any more.
            (Taken::Queued, None) => {
                let sent = Moment::now();
                let within = self.inner.lane.deadline_of_each();
                match attempt.ended(self.ask(attempt.owner, Duration::ZERO, within).await)? {
                    Taken::Granted(fence, left) => {
                        Ok(Some(attempt.granted(fence, left, sent, true)))
                    }
                    Taken::Uncertain(offered) => Err(attempt.uncertain(offered)),
                    Taken::Busy(_) | Taken::Queued => Ok(attempt.busy()),
                }
            }
            (Taken::Busy(_) | Taken::Queued, Some(deadline)) => attempt.wait(deadline).await,
        }
    }

    async fn take(&self, owner: Owner) -> Result<Taken, Error> {
        let key = crate::keys::lock(&self.inner.releases.stem, &self.name);
        let args: [Bytes; 4] = [
            Bytes::copy_from_slice(&owner.0),
            micros(self.lease).to_string().into(),
            self.seen.0.to_string().into(),
            self.inner.label(),
        ];
        Taken::read(self.inner.take.call(key, args).await?)
    }

    /// Takes it, or waits in the queue, and is heard of for so long.
    async fn ask(&self, owner: Owner, heard: Duration, within: Duration) -> Result<Taken, Error> {
        let inner = &*self.inner;
        let lane = inner.lane.clone().deadline(within);
        let keys = LockKeys::of(&inner.releases.stem, &self.name);
        let args: [Bytes; 9] = [
            inner.releases.keeps.as_millis().to_string().into(),
            Bytes::copy_from_slice(&owner.0),
            micros(self.lease).to_string().into(),
            self.seen.0.to_string().into(),
            inner.label(),
            micros(heard).to_string().into(),
            u8::from(inner.releases.barges).to_string().into(),
            inner.releases.confirm.as_micros().to_string().into(),
            Bytes::copy_from_slice(inner.releases.channel.as_bytes()),
        ];
        let asked = lane.script(&WAITING, keys.all(), args, Policy::Idempotent);
        Taken::read(Box::pin(asked).await?)
    }

    fn check(&self) -> Result<(), BuildError> {
        check_lease(self.lease)?;
        if (1..=256).contains(&self.name.len()) {
            return Ok(());
        }
        Err(BuildError::new(
            BuildErrorKind::Name,
            format!(
                "the name of a lock has {} bytes; it must have 1 to 256",
                self.name.len()
            ),
        ))
    }
}

impl Attempt<'_> {
    /// Waits until it is handed over, or until a time.
    async fn wait(mut self, deadline: Instant) -> Result<Option<Guard>, LockError> {
        let (mutex, inner) = (self.mutex, &self.mutex.inner);
        // Before it joins the queue: who is handed it then is told.
        let waiter = inner.wake.waiter(self.owner, deadline).await;
        loop {
            let sent = Moment::now();
            // Or who is heard of later than that would not count as alive.
            let left = deadline.saturating_duration_since(Instant::now());
            let within = left.clamp(Duration::from_millis(1), HEARD / 3);
            let pause = match mutex.ask(self.owner, HEARD, within).await {
                Ok(Taken::Granted(fence, left)) => {
                    return Ok(Some(self.granted(fence, left, sent, true)));
                }
                Ok(Taken::Uncertain(offered)) => return Err(self.uncertain(offered)),
                // Its holder's lease ends then, which nobody tells.
                Ok(Taken::Busy(left)) if waiter.is_heard => {
                    left.saturating_add(Duration::from_millis(1)).min(HEARD / 3)
                }
                Ok(Taken::Busy(_) | Taken::Queued) => POLL,
                // Its caller's time is over, sooner than it would be an outage.
                Err(error) if error.kind() == ErrorKind::Deadline && within >= left => {
                    return Ok(None);
                }
                // A server that is away may be back in time.
                Err(error) if error.is_retryable() && Instant::now() + POLL < deadline => POLL,
                Err(error) => return Err(error.into()),
            };
            let next = (Instant::now() + pause).min(deadline);
            tokio::select! {
                () = waiter.woken() => {}
                () = tokio::time::sleep_until(next.into()) => {
                    if next == deadline {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Nothing is left to be given up if it certainly did not run.
    fn ended<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result
            .as_ref()
            .is_err_and(|error| !error.may_have_executed())
        {
            self.is_open = false;
        }
        result
    }

    fn granted(&mut self, fence: Fence, left: Duration, sent: Moment, is_wanted: bool) -> Guard {
        self.is_open = false;
        let inner = &self.mutex.inner;
        let lease = micros(self.mutex.lease);
        let hold = Hold::new(
            self.mutex.name.clone(),
            self.owner,
            fence,
            lease,
            left,
            sent,
        );
        let hold = Arc::new(hold);
        inner.keep(&hold, sent);
        Guard::new(inner.clone(), hold, is_wanted)
    }

    fn busy(&mut self) -> Option<Guard> {
        self.is_open = false;
        None
    }

    fn uncertain(&mut self, offered: Fence) -> LockError {
        self.is_open = false;
        LockError::FenceUncertain {
            offered,
            seen: self.mutex.seen,
        }
    }
}

/// Who goes away without an answer may have got it, or be in the queue.
impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.mutex.inner.give_up(Leaving {
                name: self.mutex.name.clone(),
                owner: self.owner,
                lease: micros(self.mutex.lease),
            });
        }
    }
}

impl Cx {
    /// As [`Guard::fence`].
    pub fn fence(&self) -> Fence {
        self.0.fence
    }

    /// As [`Guard::is_held`].
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }
}

impl fmt::Debug for Mutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutex({})", self.name)
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
