//! Blocks for those who go on after they were denied.

use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind};

use crate::wire::doubles;

/// Blocks a subject after so many denials, and longer each time.
///
/// | setting | default |
/// |---|---|
/// | [`lasts`](Escalation::lasts) | 1 minute |
/// | [`factor`](Escalation::factor) | 2 |
/// | [`at_most`](Escalation::at_most) | 1 day |
/// | [`forgotten_after`](Escalation::forgotten_after) | 1 day |
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Escalation {
    denials: u64,
    within: Duration,
    lasts: Duration,
    factor: f64,
    most: Duration,
    forgotten: Duration,
}

impl Escalation {
    /// After so many denials within so long.
    pub fn after(denials: u64, within: Duration) -> Self {
        Escalation {
            denials,
            within,
            lasts: Duration::from_mins(1),
            factor: 2.0,
            most: Duration::from_hours(24),
            forgotten: Duration::from_hours(24),
        }
    }

    /// How long the first block lasts.
    pub fn lasts(mut self, lasts: Duration) -> Self {
        self.lasts = lasts;
        self
    }

    /// How many times as long as the one before each next block lasts: 1 to 100.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How long a block lasts at most.
    pub fn at_most(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// How long after a block's end the next one is a first one again.
    pub fn forgotten_after(mut self, forgotten: Duration) -> Self {
        self.forgotten = forgotten;
        self
    }

    pub(crate) fn forgotten(&self) -> Duration {
        self.forgotten
    }

    /// As scripts are told of it.
    pub(crate) fn settings(&self) -> Result<Vec<u8>, BuildError> {
        let wrong = |message: String| Err(BuildError::new(BuildErrorKind::Limit, message));
        let bounds = Duration::from_millis(1)..=Duration::from_hours(3650 * 24);
        let times = [self.within, self.lasts, self.most, self.forgotten];
        if self.denials == 0 || !times.iter().all(|time| bounds.contains(time)) {
            return wrong(format!(
                "{self:?}: at least one denial, and times between 1 ms and 3650 days"
            ));
        }
        if !(1.0..=100.0).contains(&self.factor) {
            return wrong(format!(
                "the factor of blocks is {}; it must be between 1 and 100",
                self.factor
            ));
        }
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut bytes: Vec<u8> = doubles(&[
            self.denials.min(1 << 40),
            micros(self.within),
            micros(self.lasts),
        ])
        .collect();
        bytes.extend(self.factor.to_le_bytes());
        bytes.extend(doubles(&[micros(self.most), micros(self.forgotten)]));
        Ok(bytes)
    }
}
