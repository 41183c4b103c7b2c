//! How many commands may be sent again.

use std::sync::atomic::{AtomicU64, Ordering};

/// A budget of retries, so that a server that loses connection after connection is not met with twice the load.
///
/// It begins with one retry for each command that may be in flight: those that one lost connection takes with it. Every
/// ten commands that succeed earn one more, up to that number (retry throttling as in gRPC's design A6).
#[derive(Debug)]
pub(crate) struct Budget {
    /// In tenths of a retry.
    left: AtomicU64,
    most: u64,
}

const RETRY: u64 = 10;

impl Budget {
    pub(crate) fn new(retries: usize) -> Self {
        let most = u64::try_from(retries).unwrap_or(u64::MAX / RETRY) * RETRY;
        Budget {
            left: AtomicU64::new(most),
            most,
        }
    }

    /// A command succeeded. While the budget is full, as it nearly always is, this only reads.
    pub(crate) fn earn(&self) {
        if self.left.load(Ordering::Relaxed) < self.most {
            self.left.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether one more command may be sent again.
    pub(crate) fn spend(&self) -> bool {
        let spend = |left: u64| left.checked_sub(RETRY);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_successes_earn_a_retry() {
        let budget = Budget::new(2);
        assert!(budget.spend() && budget.spend() && !budget.spend());
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
