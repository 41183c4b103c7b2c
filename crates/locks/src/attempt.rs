//! Taking a lock, or waiting for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{Bytes, Error, ErrorKind, Key, Policy, Reply, Script};

use crate::claim::Claim;
use crate::clock::{Moment, micros};
use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::Guard;
use crate::hold::Hold;
use crate::holder::Busy;
use crate::keys::LockKeys;
use crate::lock::Lock;
use crate::wire::Taken;

/// How long one who waits counts as alive after it was heard of; it is heard of each third of that.
const HEARD: Duration = Duration::from_secs(3);
/// How often one who cannot be woken asks.
const POLL: Duration = Duration::from_millis(100);

/// Somebody who asks, and may have got it without knowing.
pub(crate) struct Attempt<'l> {
    lock: &'l Lock,
    claim: Claim,
    is_open: bool,
}

impl<'l> Attempt<'l> {
    pub(crate) fn new(lock: &'l Lock) -> Self {
        let claim = Claim {
            name: lock.name.clone(),
            owner: lock.inner.instance.owner(),
            lease: micros(lock.lease),
            want: lock.want,
        };
        Attempt {
            lock,
            claim,
            is_open: true,
        }
    }

    /// Takes it, or waits for it until then, if it may wait.
    pub(crate) async fn run(self, deadline: Option<Instant>) -> Result<Option<Guard>, LockError> {
        let sent = Moment::now();
        let first = self.first().await;
        self.go_on(sent, first, deadline).await
    }

    /// What follows from the answer to who asked for the first time then.
    pub(crate) async fn go_on(
        mut self,
        sent: Moment,
        first: Result<Taken, Error>,
        deadline: Option<Instant>,
    ) -> Result<Option<Guard>, LockError> {
        let (mut sent, mut taken, mut is_wanted) = (sent, first, false);
        let deadline = deadline.filter(|deadline| Instant::now() < *deadline);
        if deadline.is_none() && matches!(taken, Ok(Taken::Queued)) {
            // Whoever waited may not any more.
            (sent, is_wanted) = (Moment::now(), true);
            let within = self.lock.inner.lane.deadline_of_each();
            taken = self.ask(Duration::ZERO, within).await;
        }
        match (self.ended(taken)?, deadline) {
            (Taken::Granted(fence, left), _) => {
                Ok(Some(self.granted(fence, left, sent, is_wanted)))
            }
            (Taken::Uncertain(offered), _) => Err(self.uncertain(offered)),
            (Taken::Unconfirmed(acked), _) => Err(acked.into()),
            (Taken::Busy(..) | Taken::Queued, Some(deadline)) => self.wait(deadline).await,
            (Taken::Busy(..) | Taken::Queued, None) => {
                self.is_open = false;
                Ok(None)
            }
        }
    }

    /// Asks for it for the first time, together with others if that can be.
    async fn first(&self) -> Result<Taken, Error> {
        let inner = &*self.lock.inner;
        // The script for many knows nothing of fences that were seen elsewhere.
        if self.claim.want.is_shared() || self.lock.acks() || self.lock.seen > Fence(0) {
            let within = inner.lane.deadline_of_each();
            return self.ask(Duration::ZERO, within).await;
        }
        let (key, args) = self.taking();
        self.taken(&inner.take.call(key, args).await?)
    }

    /// What the script is told that takes mutexes.
    pub(crate) fn taking(&self) -> (Key, [Bytes; 3]) {
        let releases = &self.lock.inner.releases;
        let who = [&self.claim.owner.0, &*releases.label].concat();
        let asks = self.asks();
        let lives = releases.keeps.as_millis() + u128::from(asks.div_ceil(1_000));
        let args = [
            asks.to_string().into(),
            lives.to_string().into(),
            who.into(),
        ];
        (crate::keys::mutex(&releases.stem, &self.claim.name), args)
    }

    /// What that script answered.
    pub(crate) fn taken(&self, reply: &Reply) -> Result<Taken, Error> {
        Taken::read(reply, self.asks())
    }

    /// For how long it is asked for, in microseconds.
    fn asks(&self) -> u64 {
        self.claim.lease.max(micros(self.lock.stays))
    }

    /// Takes it, or waits in the queue, and is heard of for so long.
    async fn ask(&self, heard: Duration, within: Duration) -> Result<Taken, Error> {
        let releases = &self.lock.inner.releases;
        let keys = LockKeys::of(&releases.stem, &self.claim.name, self.claim.want);
        let mut args: Vec<Bytes> = vec![
            releases.keeps.as_millis().to_string().into(),
            Bytes::copy_from_slice(&self.claim.owner.0),
            self.claim.lease.to_string().into(),
            self.lock.seen.0.to_string().into(),
            releases.label.clone(),
            micros(heard).to_string().into(),
            u8::from(releases.barges).to_string().into(),
            releases.confirm.as_micros().to_string().into(),
            Bytes::copy_from_slice(releases.channel.as_bytes()),
        ];
        if self.claim.want.is_shared() {
            args.extend(self.claim.want.share());
        }
        let script = crate::keys::waiting(self.claim.want);
        if self.lock.acks() {
            return self.ask_others(script, &keys, args, within).await;
        }
        let lane = self.lock.inner.lane.clone().deadline(within);
        let asked = lane.script(script, keys.all(), args, Policy::Idempotent);
        Taken::read(&Box::pin(asked).await?, 0)
    }

    /// The same where others must have it as well.
    async fn ask_others(
        &self,
        script: &'static Script,
        keys: &LockKeys,
        args: Vec<Bytes>,
        within: Duration,
    ) -> Result<Taken, Error> {
        let (inner, ack) = (&self.lock.inner, self.lock.ack);
        let is_granted = |reply: &Reply| matches!(Taken::read(reply, 0), Ok(Taken::Granted(..)));
        let asked = inner
            .acks
            .script((ack, within), script, keys.all(), args, is_granted);
        match asked.await? {
            (_, Some(acked)) if !acked.is_enough() => Ok(Taken::Unconfirmed(acked)),
            (reply, _) => Taken::read(&reply, 0),
        }
    }

    /// Waits until it is handed over, or until a time.
    async fn wait(mut self, deadline: Instant) -> Result<Option<Guard>, LockError> {
        // Before it joins the queue: who is handed it then is told.
        let wake = &self.lock.inner.wake;
        let waiter = wake.waiter(self.claim.owner, deadline).await;
        let mut busy = None;
        loop {
            if let Some(busy) = busy
                && let Some(guard) = self.handed_over(waiter.fence(), busy)
            {
                return Ok(Some(guard));
            }
            let sent = Moment::now();
            // Or who is heard of later than that would not count as alive.
            let left = deadline.saturating_duration_since(Instant::now());
            let within = left.clamp(Duration::from_millis(1), HEARD / 3);
            let pause = match self.ask(HEARD, within).await {
                Ok(Taken::Granted(fence, left)) => {
                    return Ok(Some(self.granted(fence, left, sent, true)));
                }
                Ok(Taken::Uncertain(offered)) => return Err(self.uncertain(offered)),
                Ok(Taken::Unconfirmed(acked)) => return Err(acked.into()),
                // Its holder's lease ends then, which nobody tells.
                Ok(Taken::Busy(left, fence)) => {
                    busy = Some(Busy {
                        asked: sent,
                        fence: fence.0,
                    });
                    let pause = if waiter.is_heard { HEARD / 3 } else { POLL };
                    left.saturating_add(Duration::from_millis(1)).min(pause)
                }
                Ok(Taken::Queued) => POLL,
                // Its caller's time is over, sooner than it would be an outage.
                Err(error) if error.kind() == ErrorKind::Deadline && within >= left => {
                    return Ok(None);
                }
                // Or before it could be sent.
                Err(error)
                    if error.kind() == ErrorKind::Overloaded && Instant::now() >= deadline =>
                {
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

    /// What it holds if it was told that it was handed over, without asking whether it was: the next renewal confirms it.
    fn handed_over(&mut self, told: Fence, busy: Busy) -> Option<Guard> {
        let left = self.lock.inner.releases.confirm.min(self.lock.lease);
        let is_its = told > self.lock.seen && !self.lock.acks();
        (is_its && busy.is_over(told.0, micros(left), Moment::now()))
            .then(|| self.granted(told, left, busy.asked, true))
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
        let inner = &self.lock.inner;
        let lasts = (self.lock.relies, self.lock.stays);
        let hold = Hold::new(self.claim.clone(), fence, left, lasts, sent);
        let hold = Arc::new(hold);
        inner.keep(&hold, sent);
        self.is_open = false;
        Guard::new(inner.clone(), hold, is_wanted)
    }

    fn uncertain(&mut self, offered: Fence) -> LockError {
        self.is_open = false;
        LockError::FenceUncertain {
            offered,
            seen: self.lock.seen,
        }
    }
}

/// Who goes away without an answer may have got it, or be in the queue.
impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.lock.inner.give_up(self.claim.clone());
        }
    }
}
