//! How many flights may be in the air at once.

use std::time::{Duration, Instant};

/// The flights in the air, and what their round trips say of the way.
///
/// On one machine a few flights keep the server busy, and more would only be smaller. Over a network they would leave
/// calls waiting for most of a round trip. So there may be more of them while the way is long and not congested: while
/// flights come back nearly as soon as the quickest one did (the reasoning of TCP Vegas; Brakmo and Peterson, 1994), and
/// spaced, so that they do not leave with one call each.
#[derive(Debug)]
pub(super) struct Air {
    /// Now in the air.
    pub(super) flights: usize,
    departed: Option<Instant>,
    /// How long the last flight took.
    last: Duration,
    quickest: Quickest,
    /// Whether other servers have flights of their own.
    one_of_many: bool,
}

/// The shortest round trip of the last window and of this one, so that a way that became longer is noticed.
#[derive(Debug)]
struct Quickest {
    before: Duration,
    now: Duration,
    since: Option<Instant>,
}

const WINDOW: Duration = Duration::from_secs(10);
/// A shorter way is this machine's, where more flights do not help.
const LONG_WAY: Duration = Duration::from_micros(200);
/// So many calls may share a flight however few callers there are: a flight has its price.
const LEAST: usize = 8;
/// No more flights than this, however long the way.
const MOST: usize = 32;

impl Air {
    pub(super) fn new(one_of_many: bool) -> Self {
        Air {
            one_of_many,
            flights: 0,
            departed: None,
            last: Duration::ZERO,
            quickest: Quickest {
                before: Duration::MAX,
                now: Duration::MAX,
                since: None,
            },
        }
    }

    /// Whether one more flight may leave, where so many always may.
    pub(super) fn takes(&self, always: usize) -> bool {
        if self.flights < always {
            return true;
        }
        let way = self.quickest.of_both();
        if self.flights >= MOST || way < LONG_WAY || self.last > way * 3 / 2 {
            return false;
        }
        self.departed.is_none_or(|at| at.elapsed() >= way / 16)
    }

    /// How many of so many callers, those in the air among them, the next flight may take.
    ///
    /// Half of them on this machine: then the server and we work at the same time, each for one half. Most of them where
    /// other servers keep us working as well. All of them over a long way, where the others would wait for a landing.
    pub(super) fn share(&self, callers: usize) -> usize {
        if self.quickest.of_both() >= LONG_WAY {
            callers
        } else if self.one_of_many {
            (callers * 4 / 5).max(LEAST)
        } else {
            callers.div_ceil(2).max(LEAST)
        }
    }

    pub(super) fn departs(&mut self) {
        self.departed = Some(Instant::now());
    }

    pub(super) fn lands(&mut self, took: Duration) {
        self.last = took;
        self.quickest.see(took);
    }
}

impl Quickest {
    fn see(&mut self, took: Duration) {
        let now = Instant::now();
        match self.since {
            Some(since) if now.duration_since(since) < WINDOW => self.now = self.now.min(took),
            since => {
                self.since = Some(now);
                self.before = since.map_or(Duration::MAX, |_| self.now);
                self.now = took;
            }
        }
    }

    /// Nothing while nothing is known.
    fn of_both(&self) -> Duration {
        match self.before.min(self.now) {
            Duration::MAX => Duration::ZERO,
            quickest => quickest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn air(way: Duration, last: Duration) -> Air {
        let mut air = Air::new(false);
        air.flights = 2;
        air.lands(way);
        air.lands(last);
        air
    }

    #[test]
    fn half_of_all_callers_on_this_machine() {
        let [near, far] = [100, 1000].map(Duration::from_micros);
        assert_eq!(Air::new(false).share(101), 51);
        assert_eq!(air(near, far).share(101), 51);
        assert_eq!(air(near, near).share(9), 8, "few are not halved");
        assert_eq!(air(far, far).share(101), 101);
        assert_eq!(Air::new(true).share(100), 80);
    }

    #[test]
    fn more_flights_on_a_long_way_that_is_free() {
        let ms = Duration::from_millis;
        assert!(
            !Air {
                flights: 2,
                ..Air::new(false)
            }
            .takes(2),
            "nothing is known"
        );
        assert!(
            Air {
                flights: 1,
                ..Air::new(false)
            }
            .takes(2)
        );
        assert!(air(ms(2), ms(2)).takes(2));
        assert!(!air(ms(2), ms(4)).takes(2), "congested");
        assert!(!air(ms(2) / 20, ms(2) / 20).takes(2), "this machine");
        let mut spaced = air(ms(2000), ms(2000));
        spaced.departs();
        assert!(!spaced.takes(2), "one has just left");
    }
}
