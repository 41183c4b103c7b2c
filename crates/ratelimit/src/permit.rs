//! A place among those who are under way.

use std::fmt;
use std::time::{Duration, Instant};

use russet_core::{Command, Error, Key, Lane, Policy as Sending, Script, Server};
use tokio::sync::{oneshot, watch};

use crate::decision::Source;
use crate::keys::{CONCERN, RENEW};
use crate::policy::as_micros;

static RENEWING: Script = Script::new(RENEW);

/// A place among those who are under way: renewed while it is held, given back when it is dropped.
///
/// Renewals run on a thread and a connection of their own, which work that blocks the service's runtime does not stop.
#[must_use = "a permit that is dropped is given back at once"]
pub struct Permit {
    /// Nothing of one that holds nothing, because Redis was away.
    held: Option<Held>,
}

struct Held {
    /// Dropped or sent, it ends the renewals, and the place is given back; who sends is told when that is done.
    end: oneshot::Sender<oneshot::Sender<Result<bool, Error>>>,
    lost: watch::Receiver<bool>,
}

/// What renews a permit.
struct Renewal {
    key: Key,
    id: String,
    lease: Duration,
    lost: watch::Sender<bool>,
}

impl Permit {
    /// One that Redis was asked for at this time.
    pub(crate) fn held(
        server: &Server,
        key: Key,
        id: String,
        lease: Duration,
        asked: Instant,
    ) -> Result<Self, Error> {
        let (end, ended) = oneshot::channel();
        let (lost, is_lost) = watch::channel(false);
        let renewal = Renewal {
            key,
            id,
            lease,
            lost,
        };
        server.spawn_heartbeat(CONCERN, |lane| renewal.run(lane, asked, ended))?;
        Ok(Permit {
            held: Some(Held { end, lost: is_lost }),
        })
    }

    pub(crate) fn of_outage() -> Self {
        Permit { held: None }
    }

    /// Who gave it: Redis; or nobody, because it was [away](crate::OnOutage::Allow), and then it holds no place.
    pub fn source(&self) -> Source {
        match self.held {
            Some(_) => Source::Redis,
            None => Source::Degraded,
        }
    }

    /// Whether the place is no longer its own: its lease has ended, because it could not be renewed in time, its key was evicted or
    /// deleted, or the handle was shut down. Somebody else may have it.
    pub fn is_lost(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| *held.lost.borrow() || held.lost.has_changed().is_err())
    }

    /// Until the place is lost; for ever, if it is not.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn lost(&self) {
        match &self.held {
            // It is lost too if nobody renews it any more, because the handle was shut down.
            Some(held) => drop(held.lost.clone().wait_for(|lost| *lost).await),
            None => std::future::pending::<()>().await,
        }
    }

    /// Gives the place back, and waits until it is. Whether it was still its own. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`] has; the place is free then when its lease ends.
    ///
    /// # Cancel safety
    /// A dropped call gives it back all the same.
    pub async fn release(self) -> Result<bool, Error> {
        let Some(held) = self.held else {
            return Ok(false);
        };
        let (done, is_done) = oneshot::channel();
        if held.end.send(done).is_err() {
            return Ok(false);
        }
        is_done.await.unwrap_or(Ok(false))
    }
}

impl Renewal {
    /// Renews each third of the lease, until the permit is given back or lost.
    async fn run(
        self,
        lane: Lane,
        asked: Instant,
        mut ended: oneshot::Receiver<oneshot::Sender<Result<bool, Error>>>,
    ) {
        let third = self.lease / 3;
        let renewing = lane.clone().deadline(third);
        let mut till = asked + self.lease;
        let mut next = asked + third;
        let done = loop {
            tokio::select! {
                done = &mut ended => break done.ok(),
                () = tokio::time::sleep_until(next.into()) => {}
            }
            let sent = Instant::now();
            let renewed = tokio::time::timeout_at(till.into(), self.renew(&renewing)).await;
            match renewed.unwrap_or(Ok(true)) {
                // One that was not answered in time has changed nothing.
                Ok(true) if Instant::now() < till => till = sent + self.lease,
                Ok(true) => {}
                Ok(false) => till = sent,
                Err(error) => {
                    tracing::debug!(target: "russet::ratelimit", %error, "a permit could not be renewed");
                }
            }
            // From before sending on, so that it is lost here before it is in Redis.
            if Instant::now() >= till {
                tracing::warn!(target: "russet::ratelimit", key = %self.key, "a permit was lost: its lease ended before it could be renewed");
                let _ = self.lost.send(true);
                break (&mut ended).await.ok();
            }
            next = (sent + third).min(till);
        };
        let released = self.release(&lane).await;
        if let Some(done) = done {
            let _ = done.send(released);
        }
    }

    async fn renew(&self, lane: &Lane) -> Result<bool, Error> {
        let args = [as_micros(self.lease).to_string(), self.id.clone()];
        let renewed: u64 = lane
            .script(&RENEWING, [&self.key], args, Sending::Idempotent)
            .await?;
        Ok(renewed == 1)
    }

    async fn release(&self, lane: &Lane) -> Result<bool, Error> {
        let zrem = Command::new("ZREM").key(&self.key).arg(&self.id);
        let removed: u64 = lane.run(zrem, Sending::Idempotent).await?;
        Ok(removed == 1)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("source", &self.source())
            .field("is_lost", &self.is_lost())
            .finish()
    }
}
