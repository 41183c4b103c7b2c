//! What time it is on the server.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long what the server said holds. Its clock may be set meanwhile; this one's drift does not matter in so little time.
const HOLDS: Duration = Duration::from_secs(1);
const NEVER: u64 = u64::MAX;

/// The server's time, by what it said last and a clock of this process that nobody sets. An entry's age is told by the server's
/// clock alone, on which it was stored.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    /// The server's time when this clock began, in microseconds.
    offset: AtomicI64,
    /// When the server was asked last, in microseconds since this clock began.
    asked: AtomicU64,
    is_known: std::sync::atomic::AtomicBool,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock {
            began: Instant::now(),
            offset: AtomicI64::new(0),
            asked: AtomicU64::new(NEVER),
            is_known: false.into(),
        }
    }

    /// Whether the server is to be asked, by whoever is told so.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let now = self.micros(now);
        let asked = self.asked.load(Ordering::Relaxed);
        let is_old = asked == NEVER || now.saturating_sub(asked) > micros(HOLDS);
        is_old
            && self
                .asked
                .compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// The server said its time just now.
    pub(crate) fn heard(&self, server: u64) {
        let now = self.micros(Instant::now());
        let offset = i64::try_from(server)
            .unwrap_or(0)
            .saturating_sub_unsigned(now);
        self.offset.store(offset, Ordering::Relaxed);
        self.asked.store(now, Ordering::Relaxed);
        self.is_known.store(true, Ordering::Release);
    }

    /// How long ago the server stored something. Nothing where that lies ahead of it, or it never said its time: of a
    /// clock that was set back nobody knows more.
    pub(crate) fn age(&self, born: u64, now: Instant) -> Duration {
        if !self.is_known.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let server = self
            .offset
            .load(Ordering::Relaxed)
            .saturating_add_unsigned(self.micros(now));
        let age = server.saturating_sub_unsigned(born);
        Duration::from_micros(u64::try_from(age).unwrap_or(0))
    }

    fn micros(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.began))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_follow_the_server_s_clock_and_are_never_negative() {
        let clock = Clock::new();
        let hour = Duration::from_hours(1);
        let day = micros(24 * hour);
        assert!(clock.is_due(Instant::now()), "it was never asked");
        assert!(!clock.is_due(Instant::now()), "somebody asks");
        assert_eq!(clock.age(1, Instant::now()), Duration::ZERO, "not known");
        clock.heard(day);
        let age = clock.age(day - micros(hour), Instant::now());
        assert!((hour..hour + hour / 60).contains(&age), "{age:?}");
        assert_eq!(clock.age(2 * day, Instant::now()), Duration::ZERO);
        assert!(!clock.is_due(Instant::now()));
        assert!(clock.is_due(Instant::now() + 2 * HOLDS));
        // Set back, it says so the next time.
        clock.heard(day - micros(hour));
        let age = clock.age(day - micros(hour), Instant::now());
        assert!(age < hour / 60, "{age:?}");
    }
}
