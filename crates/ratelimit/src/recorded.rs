//! What became of a cost that was counted whatever the limit.

use crate::wire::Answer;

/// What became of a cost that was counted whatever the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// How much of it was counted by every policy.
    pub counted: u64,
    /// How much was not, because a subject owes one limit at most.
    pub excess: u64,
    /// How much more would pass now, by the policy with the least left.
    pub remaining: u64,
}

impl Recorded {
    pub(crate) fn new(answer: &Answer, cost: i64) -> Self {
        let counted = answer.charged.clamp(0, cost);
        Recorded {
            counted: counted.unsigned_abs(),
            excess: cost.saturating_sub(counted).unsigned_abs(),
            remaining: answer.limit.saturating_sub(answer.current),
        }
    }
}
