//! How long to wait before the next try.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
/// Also how late a server's return is noticed at most.
const LONGEST: Duration = Duration::from_millis(250);

/// Twice as long each time up to the longest, half of it random, so that a fleet does not come back as one.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff(FIRST)
    }

    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let half = self.0 / 2;
        self.0 = (self.0 * 2).min(LONGEST);
        // Each RandomState has keys of its own; hashing nothing with them is a random number.
        let dice = u32::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or_default();
        half + half * dice / 1000
    }
}
