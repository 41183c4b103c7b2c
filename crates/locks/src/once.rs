//! What is done once in a period.

use std::fmt;
use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind};

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::{Cx, Lock, work_under};

/// What is done at most once in a period, by all processes together.
///
/// A period begins when somebody begins. While the work lasts its lock is renewed, however long that is, and nobody else begins; when it was done
/// the lock stays taken until the period is over. Choose a period that is a little shorter than the schedule's, or a tick that comes a
/// millisecond early is skipped.
#[derive(Clone)]
pub struct OncePer {
    lock: Lock,
    period: Duration,
}

impl OncePer {
    pub(crate) fn new(lock: Lock, period: Duration) -> Self {
        OncePer { lock, period }
    }

    /// With another lease than the builder's, as [`Lock::lease`].
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lock.lease = lease;
        self
    }

    /// Does something, unless it was begun in this period, or is still being done: then `None`. Once begun it counts, also if its process is killed,
    /// or its future dropped: nobody does it again in the same period. A round trip to begin and one when it was done.
    ///
    /// # Errors
    /// As [`Lock::try_lock`]; [`LockError::Lost`], and the work was dropped.
    ///
    /// # Cancel safety
    /// The work is dropped, and it counts as done.
    pub async fn run<F, T>(&self, work: impl FnOnce(Cx) -> F) -> Result<Option<T>, LockError>
    where
        F: Future<Output = T>,
    {
        self.check()?;
        let mut lock = self.lock.clone();
        lock.stays = self.period;
        let Some(mut guard) = lock.try_lock().await? else {
            return Ok(None);
        };
        guard.outlives();
        let done = work_under(&guard, work).await?;
        settle(guard, self.period).await;
        Ok(Some(done))
    }

    /// The same for what may fail, and shall be done again then: only what succeeds counts. What fails may be begun again at once, and what its
    /// process was killed in when its lease has ended.
    ///
    /// # Errors
    /// As [`run`](OncePer::run).
    ///
    /// # Cancel safety
    /// The work is dropped, and it does not count.
    pub async fn try_run<F, T, E>(
        &self,
        work: impl FnOnce(Cx) -> F,
    ) -> Result<Option<Result<T, E>>, LockError>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.check()?;
        let Some(guard) = self.lock.try_lock().await? else {
            return Ok(None);
        };
        let done = work_under(&guard, work).await?;
        match done.is_ok() {
            true => settle(guard, self.period).await,
            // Now, so that who tries again at once can. Where that fails, it is released in the background.
            false => drop(guard.release().await),
        }
        Ok(Some(done))
    }

    fn check(&self) -> Result<(), BuildError> {
        let longest = Duration::from_hours(31 * 24);
        if (Duration::from_millis(100)..=longest).contains(&self.period) {
            return Ok(());
        }
        Err(BuildError::new(
            BuildErrorKind::Limit,
            format!(
                "once in {:?}; it must be between 100 ms and 31 days",
                self.period
            ),
        ))
    }
}

/// It was done: the lock stays taken until the period is over.
async fn settle(guard: Guard, period: Duration) {
    let lasts = guard.hold().left_of(period);
    let name = guard.hold().claim.name.clone();
    let settled = match lasts {
        0 => guard.release().await.map(drop),
        lasts => guard.stay(lasts).await,
    };
    if let Err(error) = settled {
        tracing::warn!(target: "russet::locks", lock = &*name, %error, "what was done once could not be noted; its lock stays taken until its lease ends");
    }
}

impl fmt::Debug for OncePer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OncePer({}, {:?})", self.lock.name, self.period)
    }
}
