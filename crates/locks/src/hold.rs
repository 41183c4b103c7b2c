//! One lock that this process holds.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::claim::Claim;
use crate::clock::{Moment, micros};
use crate::fence::Fence;
use crate::holder::{Event, Holder, LostReason, State};

/// What a guard, its futures and whoever renews it know of one lock together.
pub(crate) struct Hold {
    pub(crate) claim: Claim,
    pub(crate) fence: Fence,
    /// When it was asked for.
    since: Moment,
    /// How long it stays taken at least, from then on.
    stays: Duration,
    holder: Mutex<Holder>,
    /// Tells whoever watches that something is known that was not.
    changed: Notify,
}

impl Hold {
    /// It was granted to who asked then, for so long by what Redis said; how long it is relied on at most, and how long it stays taken at least.
    pub(crate) fn new(
        claim: Claim,
        fence: Fence,
        left: Duration,
        (relies, stays): (Duration, Duration),
        sent: Moment,
    ) -> Self {
        let holder = Holder::granted(claim.lease, micros(left), micros(relies), sent);
        Hold {
            claim,
            fence,
            since: sent,
            stays,
            holder: Mutex::new(holder),
            changed: Notify::new(),
        }
    }

    /// How long it is to be held from now on, in microseconds.
    pub(crate) fn asks(&self) -> u64 {
        self.claim.lease.max(self.left_of(self.stays))
    }

    /// How much is left of a period that began when it was asked for, in microseconds.
    pub(crate) fn left_of(&self, period: Duration) -> u64 {
        micros(Moment::now().until(self.since.plus(micros(period))))
    }

    /// What is known after an event, which whoever watches is told.
    pub(crate) fn step(&self, event: Event) -> State {
        let mut holder = self.holder();
        let before = holder.state();
        let state = holder.step(event, Moment::now());
        if state != before {
            self.changed.notify_waiters();
        }
        state
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holder().is_held(Moment::now())
    }

    pub(crate) fn till(&self) -> Moment {
        self.holder().till()
    }

    /// Until it is lost. It asks the clock each time it is polled, so that it needs nobody who tells it.
    pub(crate) async fn lost(&self) -> LostReason {
        loop {
            // Heard from here on: what changes after it was asked is not missed.
            let changed = self.changed.notified();
            if let State::Lost(reason) = self.step(Event::Passed) {
                return reason;
            }
            self.wait(changed).await;
        }
    }

    /// Until something has changed, or its time is over.
    async fn wait(&self, changed: Notified<'_>) {
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(self.till().instant().into()) => {}
        }
    }

    fn holder(&self) -> MutexGuard<'_, Holder> {
        // Nothing under this lock panics.
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a lock, and every change of that.
#[derive(Clone)]
pub struct Watch {
    hold: Arc<Hold>,
    /// What `changed` said last.
    told: State,
}

impl Watch {
    pub(crate) fn new(hold: &Arc<Hold>) -> Self {
        Watch {
            hold: hold.clone(),
            told: hold.step(Event::Passed),
        }
    }

    /// What is known now.
    pub fn get(&self) -> State {
        self.hold.step(Event::Passed)
    }

    /// Until something else is known than what this said last, or than when the watch began; and what. For ever once it has said that the lock is
    /// lost. What changed and changed back in between is not told.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn changed(&mut self) -> State {
        loop {
            let changed = self.hold.changed.notified();
            let now = self.hold.step(Event::Passed);
            if now != self.told {
                self.told = now;
                return now;
            }
            if let State::Lost(_) = now {
                std::future::pending::<()>().await;
            }
            self.hold.wait(changed).await;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt(f)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("name", &self.claim.name)
            .field("fence", &self.fence)
            .field("state", &self.holder().state())
            .finish_non_exhaustive()
    }
}
