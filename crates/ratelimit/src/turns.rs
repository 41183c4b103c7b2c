//! Who waits for a subject, in the order of asking.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use russet_core::{Error, Key, KeyPart};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::decision::Decision;
use crate::limiter::Limiter;
use crate::wire::Mode;

/// Those of this process who wait until a subject may go on. One of them asks Redis; the others are behind it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Key, Waiting>>>);

struct Waiting {
    turn: Arc<Turn<()>>,
    /// How many there are.
    count: usize,
}

/// One who waits; dropped, it does no more.
pub(crate) struct One {
    turns: Turns,
    key: Key,
    turn: Arc<Turn<()>>,
}

impl Turns {
    pub(crate) fn of(&self, key: &Key) -> One {
        let mut waiting = self.lock();
        let entry = waiting.entry(key.clone()).or_insert_with(|| Waiting {
            turn: Arc::default(),
            count: 0,
        });
        entry.count += 1;
        One {
            turn: entry.turn.clone(),
            turns: self.clone(),
            key: key.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl One {
    /// Until all who asked before are done. tokio's mutex is first come, first served.
    pub(crate) async fn first(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let mut waiting = self.turns.lock();
        if let Some(entry) = waiting.get_mut(&self.key) {
            entry.count -= 1;
            if entry.count == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({} subjects)", self.lock().len())
    }
}

impl Limiter {
    /// Waits until a call may pass, and charges it: at most so long (a day), and not at all where that would be too short. Who waits here for the
    /// same subject is let through in the order of asking; a wait is up to a tenth longer than it need be, at most by 100 ms, so that
    /// processes do not all come back at once.
    ///
    /// The last decision: allowed, or a denial whose wait is longer than what was left.
    ///
    /// # Errors
    /// As [`check`](Limiter::check).
    ///
    /// # Cancel safety
    /// A dropped call may have been charged.
    pub async fn until_ready<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        within: Duration,
    ) -> Result<Decision, Error> {
        let key = self.key(subject);
        let deadline = soon(within);
        let turn = self.inner.turns.of(&key);
        let Ok(_first) = tokio::time::timeout_at(deadline.into(), turn.first()).await else {
            // Whoever is before it waits as well; it may as well be told what Redis says.
            return self.decide(key, 1, Mode::Whole).await;
        };
        loop {
            let decision = self.decide(key.clone(), 1, Mode::Whole).await?;
            let Some(wait) = decision.retry_after() else {
                return Ok(decision);
            };
            let now = Instant::now();
            if now + wait > deadline {
                return Ok(decision);
            }
            let more = (wait / 10)
                .min(Duration::from_millis(100))
                .mul_f64(fastrand::f64());
            tokio::time::sleep_until((now + wait + more).min(deadline).into()).await;
        }
    }
}

/// A moment that is so far away, or a day: whoever waits longer asks again.
pub(crate) fn soon(within: Duration) -> Instant {
    Instant::now() + within.min(Duration::from_hours(24))
}
