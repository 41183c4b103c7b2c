//! A clock that only rises, also while the machine is suspended.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Linux stops its monotonic clock while the machine is suspended, and a lease does not stop.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Microseconds since the machine began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let micros = u64::try_from(time.tv_nsec / 1_000).unwrap_or(0);
        Moment(seconds * 1_000_000 + micros)
    }

    pub(crate) fn plus(self, micros: u64) -> Self {
        Moment(self.0.saturating_add(micros))
    }

    /// How long it is until then.
    pub(crate) fn until(self, then: Moment) -> Duration {
        Duration::from_micros(then.0.saturating_sub(self.0))
    }

    /// As timers have it. After a suspension they are late; whoever they wake looks at this clock.
    pub(crate) fn instant(self) -> Instant {
        let (now, here) = (Moment::now(), Instant::now());
        let passed = self.until(now);
        here.checked_sub(passed).unwrap_or(here) + now.until(self)
    }
}

/// A time as scripts have it: microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
