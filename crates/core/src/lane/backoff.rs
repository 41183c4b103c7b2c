//! How long to wait before the next try.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
/// Also how late a server's return is noticed at most.
const LONGEST: Duration = Duration::from_millis(250);

/// So long a connection must have lived for its loss to be the first one: a server that accepts and hangs up at once is
/// away too.
const SETTLED: Duration = Duration::from_secs(1);

/// Twice as long each time up to the longest, half of it random, so that a fleet does not come back as one.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff(FIRST)
    }

    /// A connection has ended that lived so long; how long to wait now.
    pub(crate) fn after(&mut self, life: Duration) -> Duration {
        if life < SETTLED {
            return self.next();
        }
        self.0 = FIRST;
        Duration::ZERO
    }

    pub(crate) fn next(&mut self) -> Duration {
        let half = self.0 / 2;
        self.0 = (self.0 * 2).min(LONGEST);
        // Each RandomState has keys of its own; hashing nothing with them is a random number.
        let dice = u32::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or_default();
        half + half * dice / 1000
    }
}
