//! What the holder of a lock may believe. Without input or output: the client runs this, and so does the model in the tests.

use crate::clock::Moment;

/// What a holder knows of its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is held.
    Held,
    /// It is held, and a renewal has failed: unless one succeeds before its deadline, it is lost.
    AtRisk,
    /// It is not, or may not be, held any more.
    Lost(LostReason),
}

/// Why a lock is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReason {
    /// Its lease ended before it could be renewed: Redis was away, or this process stood still.
    Expired,
    /// Redis says that it is somebody else's, or nobody's: after a failover, an eviction, a flush.
    Taken,
    /// It was [taken away](crate::Lock::force_release).
    Forced,
    /// It was released.
    Released,
    /// Nobody renews it any more, because the handle was shut down.
    Shutdown,
}

/// What happens to a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A renewal that was sent then was granted.
    Renewed {
        sent: Moment,
    },
    /// It was refused.
    Refused,
    /// Nobody knows what became of it.
    Failed,
    /// Time has passed.
    Passed,
    Forced,
    Released,
    Shutdown,
}

/// A lock's lease, by its holder's clock: from before the request was sent, and a little shorter than by the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    lease: u64,
    /// How long it relies on a lease at most, if that is less.
    relies: u64,
    till: Moment,
    state: State,
}

/// That somebody else had a lock: when that was asked, and the last fence then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Busy {
    pub(crate) asked: Moment,
    pub(crate) fence: u64,
}

impl Busy {
    /// Whether it was handed over since, to who is told now, with which fence: then it is theirs for so long from when they had asked, at least. Not if most
    /// of that is over.
    pub(crate) fn is_over(self, told: u64, left: u64, now: Moment) -> bool {
        // A lower one is of a time that has passed, in which they were told too late.
        told > self.fence && now < self.asked.plus(left / 2)
    }
}

/// How much of a lease of so many microseconds its holder relies on: two clocks may differ by a hundredth, and by 2 ms.
pub(crate) fn relied_on(lease: u64) -> u64 {
    lease.saturating_sub(lease / 100 + 2_000)
}

impl Holder {
    /// It was granted to who asked at that time, and is held for so long by what Redis said: less than a lease if that was said of a grant before.
    pub(crate) fn granted(lease: u64, left: u64, relies: u64, sent: Moment) -> Self {
        Holder {
            lease,
            relies,
            till: sent.plus(relied_on(left.min(lease)).min(relies)),
            state: State::Held,
        }
    }

    /// What is known after an event. What is lost stays so.
    pub(crate) fn step(&mut self, event: Event, now: Moment) -> State {
        if let State::Lost(_) = self.state {
            return self.state;
        }
        self.state = match event {
            Event::Released => State::Lost(LostReason::Released),
            Event::Forced => State::Lost(LostReason::Forced),
            // Also if a renewal was granted meanwhile: whoever asked in between was told that it is lost.
            _ if now >= self.till => State::Lost(LostReason::Expired),
            Event::Refused => State::Lost(LostReason::Taken),
            Event::Shutdown => State::Lost(LostReason::Shutdown),
            Event::Renewed { sent } => {
                self.till = self
                    .till
                    .max(sent.plus(relied_on(self.lease).min(self.relies)));
                State::Held
            }
            Event::Failed => State::AtRisk,
            Event::Passed => self.state,
        };
        self.state
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_held(&self, now: Moment) -> bool {
        !matches!(self.state, State::Lost(_)) && now < self.till
    }

    /// Until when it is held, as far as is known.
    pub(crate) fn till(&self) -> Moment {
        self.till
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: u64 = 30_000_000;

    #[test]
    fn a_lease_is_relied_on_from_before_it_was_asked_for() {
        let mut holder = Holder::granted(LEASE, LEASE, u64::MAX, Moment(1_000));
        assert_eq!(holder.till(), Moment(1_000 + 29_698_000));
        assert!(holder.is_held(Moment(29_698_999)));
        assert!(!holder.is_held(Moment(29_699_000)));
        let sent = Moment(10_000_000);
        assert_eq!(
            holder.step(Event::Renewed { sent }, Moment(11_000_000)),
            State::Held
        );
        assert_eq!(holder.till(), Moment(39_698_000));
        // An answer to an older one, that comes later.
        let sent = Moment(5_000_000);
        assert_eq!(
            holder.step(Event::Renewed { sent }, Moment(12_000_000)),
            State::Held
        );
        assert_eq!(holder.till(), Moment(39_698_000));
    }

    #[test]
    fn what_was_lost_stays_so() {
        let mut holder = Holder::granted(LEASE, LEASE, u64::MAX, Moment(0));
        let late = Moment(29_698_000);
        let renewed = Event::Renewed {
            sent: Moment(29_697_999),
        };
        assert_eq!(holder.step(renewed, late), State::Lost(LostReason::Expired));
        assert_eq!(
            holder.step(renewed, Moment(1)),
            State::Lost(LostReason::Expired)
        );
        assert!(!holder.is_held(Moment(1)));
    }

    #[test]
    fn a_failed_renewal_is_a_risk_until_one_succeeds() {
        let mut holder = Holder::granted(LEASE, LEASE, u64::MAX, Moment(0));
        assert_eq!(holder.step(Event::Failed, Moment(1)), State::AtRisk);
        assert!(holder.is_held(Moment(2)));
        assert_eq!(
            holder.step(Event::Renewed { sent: Moment(2) }, Moment(3)),
            State::Held
        );
        assert_eq!(
            holder.step(Event::Refused, Moment(4)),
            State::Lost(LostReason::Taken)
        );
    }
}
