//! A lock that is held.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{Bytes, Error, Policy, Reply};

use crate::clock::Moment;
use crate::fence::Fence;
use crate::hold::{Hold, Watch};
use crate::holder::{Event, LostReason};
use crate::keeper::RENEWING;
use crate::keys::LockKeys;
use crate::locks::Inner;
use crate::wire::unreadable;

/// A lock that is held: renewed in the background until it is released, dropped or lost.
///
/// It may be sent to another task. Dropped, it is released in the background.
#[must_use = "a lock whose guard is dropped is released at once"]
pub struct Guard {
    inner: Arc<Inner>,
    hold: Arc<Hold>,
    /// Whether somebody waited when it was taken: then it is handed on at once.
    is_wanted: bool,
    /// Whether it is to be released when this is dropped.
    is_open: bool,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// It was held until then.
    Released,
    /// It was lost before: somebody else may have had it meanwhile.
    AlreadyLost,
}

impl Guard {
    pub(crate) fn new(inner: Arc<Inner>, hold: Arc<Hold>, is_wanted: bool) -> Self {
        Guard {
            inner,
            hold,
            is_wanted,
            is_open: true,
        }
    }

    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// The lock's name.
    pub fn name(&self) -> &str {
        &self.hold.claim.name
    }

    /// The number that only this holder has, above that of every one before. Send it with each write, to a resource that refuses lower
    /// ones: nothing else protects a write that is already under way when the lock is lost.
    pub fn fence(&self) -> Fence {
        self.hold.fence
    }

    /// Until when it is held, unless it is renewed: by this process' clock, from before Redis was asked.
    pub fn deadline(&self) -> Instant {
        self.hold.till().instant()
    }

    /// Whether it is held, by the clock of now; no round trip. True says that nobody else had it just before: what is sent on that may still
    /// arrive when somebody has.
    pub fn is_held(&self) -> bool {
        self.hold.is_held()
    }

    /// Until it is not held any more, and why. Done before its lease can have ended, also if Redis never answers again; after this process
    /// stood still, when it is polled first.
    pub fn lost(&self) -> impl Future<Output = LostReason> + Send + 'static + use<> {
        let hold = self.hold.clone();
        async move { hold.lost().await }
    }

    /// What is known of it, and every change of that.
    pub fn state(&self) -> Watch {
        Watch::new(&self.hold)
    }

    /// Gives it back, and waits until it is. One round trip; two if somebody has begun to wait since it was taken.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has; it is released in the background then, or when its lease ends.
    ///
    /// # Cancel safety
    /// A dropped call releases it all the same.
    pub async fn release(mut self) -> Result<Release, Error> {
        if !self.hold.is_held() {
            return Ok(Release::AlreadyLost);
        }
        // From now on: somebody else may have it before the answer is here, and a renewal would come behind it.
        self.hold.step(Event::Released);
        self.inner.keeper.forget(&self.hold.claim.owner);
        let was = self.give().await?;
        // Nothing is left to be done when this is dropped.
        self.is_open = false;
        Ok(match was {
            true => Release::Released,
            false => Release::AlreadyLost,
        })
    }

    /// Leaves it taken until its lease ends, without renewing it; at the latest then somebody else gets it. Its fence and its deadline.
    pub fn detach(mut self) -> (Fence, Instant) {
        self.is_open = false;
        self.inner.keeper.forget(&self.hold.claim.owner);
        (self.fence(), self.deadline())
    }

    /// Dropped, it is not released: its lease ends it.
    pub(crate) fn outlives(&mut self) {
        self.is_open = false;
    }

    /// Leaves it taken for so long from now on (in microseconds), without renewing it.
    pub(crate) async fn stay(mut self, lasts: u64) -> Result<(), Error> {
        // It is as it shall be when this is over, or its lease ends it.
        self.outlives();
        let claim = &self.hold.claim;
        self.inner.keeper.forget(&claim.owner);
        let key = LockKeys::of(&self.inner.releases.stem, &claim.name, claim.want).lock();
        let keeps = self.inner.releases.keeps.as_millis().to_string();
        let args: [Bytes; 3] = [
            keeps.into(),
            Bytes::copy_from_slice(&claim.owner.0),
            lasts.to_string().into(),
        ];
        let within = Duration::from_micros(claim.lease / 2);
        let lane = self.inner.lane.clone().deadline(within);
        let stays = lane.script::<Vec<Reply>>(&RENEWING, [&key], args, Policy::Idempotent);
        Box::pin(stays).await.map(drop)
    }

    async fn give(&self) -> Result<bool, Error> {
        let inner = &*self.inner;
        if !self.is_wanted && !self.hold.claim.want.is_shared() {
            let key = crate::keys::mutex(&inner.releases.stem, &self.hold.claim.name);
            let given = inner.give.call(key, [self.hold.claim.owner.0.to_vec()]);
            let given = Box::pin(given).await;
            match given {
                Ok(Reply::Int(1)) => return Ok(true),
                Ok(Reply::Int(0)) => return Ok(false),
                // Somebody waits.
                Ok(Reply::Int(2)) => {}
                Ok(_) => return Err(unreadable()),
                Err(error) => return self.given(error).await,
            }
        }
        match inner
            .releases
            .hand_on(&inner.lane, &self.hold.claim, Policy::AtMostOnce)
            .await
        {
            Ok(was) => Ok(was),
            Err(error) => self.given(error).await,
        }
    }

    /// What became of a release whose reply was lost. As long as the lease lasts by our clock, nobody else can have got it but by that release.
    async fn given(&self, error: Error) -> Result<bool, Error> {
        if !error.may_have_executed() {
            return Err(error);
        }
        let inner = &*self.inner;
        let again = inner
            .releases
            .hand_on(&inner.lane, &self.hold.claim, Policy::Idempotent);
        let was = again.await?;
        Ok(was || Moment::now() < self.hold.till())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.inner.keeper.forget(&self.hold.claim.owner);
        self.hold.step(Event::Released);
        // Also if it was lost by our clock: by the server's it may not be.
        if self.is_open {
            self.inner.give_up(self.hold.claim.clone());
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt(f)
    }
}
