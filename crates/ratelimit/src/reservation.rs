//! An estimate that was charged, until the cost is known.

use russet_core::{Error, Key};

use crate::decision::{Decision, Source};
use crate::limiter::Limiter;
use crate::recorded::Recorded;
use crate::wire::Mode;

/// What became of [`Limiter::reserve`].
#[derive(Debug)]
#[must_use = "a reservation that is dropped stays charged"]
#[non_exhaustive]
pub enum Reserved {
    /// The estimate is charged.
    Granted(Reservation),
    /// Nothing is.
    Refused(Decision),
}

impl Reserved {
    /// The decision about the estimate.
    pub fn decision(&self) -> &Decision {
        match self {
            Reserved::Granted(reservation) => reservation.decision(),
            Reserved::Refused(decision) => decision,
        }
    }
}

/// An estimate that was charged. Dropped, it stays charged: work that was begun and never finished has had its cost.
#[derive(Debug)]
#[must_use = "a reservation that is dropped stays charged"]
pub struct Reservation {
    limiter: Limiter,
    key: Key,
    decision: Decision,
}

impl Reservation {
    pub(crate) fn new(limiter: Limiter, key: Key, decision: Decision) -> Self {
        Reservation {
            limiter,
            key,
            decision,
        }
    }

    /// The decision about the estimate.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// How much was charged: the estimate; nothing if Redis was away.
    pub fn charged(&self) -> u64 {
        match self.decision.source() {
            Source::Degraded => 0,
            Source::Redis | Source::Local => self.decision.charged(),
        }
    }

    /// Charges what it has cost: gives back what was reserved too much, as [`refund`](Limiter::refund) does, or counts what was reserved
    /// too little, as [`record`](Limiter::record) does. One round trip, none where the estimate was right.
    ///
    /// What was reserved while Redis was away is counted whole now. What has ceased to count meanwhile, because its window has ended, is not given
    /// back to the next one.
    ///
    /// # Errors
    /// As [`record`](Limiter::record). The estimate stays charged then.
    ///
    /// # Cancel safety
    /// A dropped call may have been settled.
    pub async fn commit(self, actual: u64) -> Result<Recorded, Error> {
        let charged = self.charged();
        if actual <= charged {
            let mut remaining = self.decision.remaining();
            if actual < charged {
                let back = charged - actual;
                let given = self
                    .limiter
                    .give_back(self.key, back, self.decision.charged_at());
                let answer = given.await?;
                remaining = answer.limit.saturating_sub(answer.current);
            }
            return Ok(Recorded {
                counted: actual,
                excess: 0,
                remaining,
            });
        }
        let recorded = self
            .limiter
            .force(self.key, actual - charged, Mode::Record)
            .await?;
        Ok(Recorded {
            counted: charged + recorded.counted,
            ..recorded
        })
    }

    /// Gives all of it back. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record). The estimate stays charged then.
    ///
    /// # Cancel safety
    /// A dropped call may have given it back.
    pub async fn cancel(self) -> Result<(), Error> {
        match self.charged() {
            0 => Ok(()),
            charged => {
                let given = self
                    .limiter
                    .give_back(self.key, charged, self.decision.charged_at());
                given.await.map(drop)
            }
        }
    }
}
