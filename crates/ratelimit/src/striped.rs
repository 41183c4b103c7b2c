//! A count that many threads add to at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads have a place of their own; those beyond share one more.
const PLACES: usize = 31;

/// A count in several places, so that threads do not wait for each other's cache lines.
#[derive(Debug, Default)]
pub(crate) struct Striped {
    own: [Place; PLACES],
    shared: Place,
}

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicU64);

thread_local! {
    /// This thread's number among all that there have been.
    static NUMBER: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

impl Striped {
    #[inline]
    pub(crate) fn one_more(&self) {
        let place = NUMBER.try_with(|number| self.own.get(*number));
        match place {
            // Nobody else writes it; an addition that locks it would be most of what a hit in memory costs.
            Ok(Some(Place(own))) => own.store(own.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            _ => drop(self.shared.0.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        let own = self.own.iter().chain([&self.shared]);
        own.map(|place| place.0.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn threads_lose_no_count() {
        let count = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * PLACES {
                scope.spawn(|| (0..1_000).for_each(|_| count.one_more()));
            }
        });
        assert_eq!(count.sum(), 3 * PLACES as u64 * 1_000);
    }
}
