//! Something that can be taken: a mutex, one side of a read-write lock, permits of a semaphore.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{Ack, BuildError, BuildErrorKind};

use crate::attempt::Attempt;
use crate::builder::check_lease;
use crate::claim::{MOST, Want};
use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::{Guard, Release};
use crate::hold::Hold;
use crate::holder::LostReason;
use crate::locks::Inner;

/// Something that can be taken: a [mutex](crate::Locks::mutex), one side of a [read-write lock](crate::RwLock), permits of a
/// [semaphore](crate::Semaphore). Cheap to clone.
#[derive(Clone)]
pub struct Lock {
    pub(crate) inner: Arc<Inner>,
    pub(crate) name: Arc<str>,
    pub(crate) want: Want,
    pub(crate) lease: Duration,
    pub(crate) seen: Fence,
    pub(crate) ack: Ack,
    /// How long after it was renewed the holder relies on it at most.
    pub(crate) relies: Duration,
    /// How long it stays taken at least, whatever becomes of its holder.
    pub(crate) stays: Duration,
}

/// What work under a lock knows of it.
#[derive(Clone)]
pub struct Cx(Arc<Hold>);

impl Lock {
    pub(crate) fn new(inner: Arc<Inner>, name: &str, want: Want) -> Self {
        Lock {
            lease: inner.lease,
            ack: inner.ack,
            inner,
            name: name.into(),
            want,
            seen: Fence(0),
            relies: Duration::MAX,
            stays: Duration::ZERO,
        }
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

    /// Only if others have it as well, not the [builder's](crate::Builder::ack) choice: with a round trip more, and one at a time on a connection
    /// that all such locks of this process share.
    #[must_use]
    pub fn ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// Takes it if it is free, and nobody waits for it; `None` is busy. One round trip, a mutex' shared with whoever takes other mutexes at the
    /// same moment; two of a mutex that somebody waited for.
    ///
    /// # Errors
    /// [`LockError::Redis`], also for a name, a lease or a number of permits that cannot be meant; [`LockError::FenceUncertain`];
    /// [`LockError::NotReplicated`].
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
    /// As [`try_lock`](Lock::try_lock).
    ///
    /// # Cancel safety
    /// As [`try_lock`](Lock::try_lock); whoever waited does not any more.
    pub async fn lock_within(&self, limit: Duration) -> Result<Option<Guard>, LockError> {
        self.lock_until(Instant::now() + limit.min(Duration::from_hours(24)))
            .await
    }

    /// The same until a time.
    ///
    /// # Errors
    /// As [`try_lock`](Lock::try_lock).
    ///
    /// # Cancel safety
    /// As [`lock_within`](Lock::lock_within).
    pub async fn lock_until(&self, deadline: Instant) -> Result<Option<Guard>, LockError> {
        self.acquire(Some(deadline)).await
    }

    /// Takes it, or waits for it as long as the builder's [`acquire_timeout`](crate::Builder::acquire_timeout).
    ///
    /// # Errors
    /// [`LockError::Timeout`]; as [`try_lock`](Lock::try_lock).
    ///
    /// # Cancel safety
    /// As [`lock_within`](Lock::lock_within).
    pub async fn lock(&self) -> Result<Guard, LockError> {
        let limit = self.inner.acquire;
        self.lock_within(limit)
            .await?
            .ok_or(LockError::Timeout(limit))
    }

    /// Does something under the lock, and cancels it when the lock is lost: the work's future is dropped then.
    ///
    /// # Errors
    /// As [`lock`](Lock::lock); [`LockError::Lost`].
    ///
    /// # Cancel safety
    /// The work is dropped, and the lock released.
    pub async fn run<F, T>(&self, work: impl FnOnce(Cx) -> F) -> Result<T, LockError>
    where
        F: Future<Output = T>,
    {
        let guard = self.lock().await?;
        let done = work_under(&guard, work).await?;
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

    /// Whether others must have it as well.
    pub(crate) fn acks(&self) -> bool {
        self.ack != Ack::Primary
    }

    async fn acquire(&self, deadline: Option<Instant>) -> Result<Option<Guard>, LockError> {
        self.check()?;
        Attempt::new(self).run(deadline).await
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        check_lease(self.lease)?;
        self.ack.check(&self.inner.server)?;
        let name = self.name.len();
        if !(1..=256).contains(&name) {
            return Err(BuildError::new(
                BuildErrorKind::Name,
                format!("the name of a lock has {name} bytes; it must have 1 to 256"),
            ));
        }
        match self.want {
            Want::Permits { weight, of } if weight == 0 || weight > of || of > MOST => {
                Err(BuildError::new(
                    BuildErrorKind::Limit,
                    format!(
                        "{weight} permits of {of}; it must be at least one, not more than there are, and there may be {MOST} at most"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Does something as long as a lock is held, and not longer.
pub(crate) async fn work_under<F, T>(
    guard: &Guard,
    work: impl FnOnce(Cx) -> F,
) -> Result<T, LockError>
where
    F: Future<Output = T>,
{
    let work = work(Cx(guard.hold().clone()));
    tokio::select! {
        biased;
        reason = guard.lost() => Err(LockError::Lost(reason)),
        done = work => match guard.is_held() {
            true => Ok(done),
            false => Err(LockError::Lost(LostReason::Expired)),
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

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lock({}, {:?})", self.name, self.want)
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
