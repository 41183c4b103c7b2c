//! A count that many threads add to at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads have a place of their own.
const PLACES: usize = 16;

/// A count in several places, so that threads do not wait for each other's cache lines.
#[derive(Debug, Default)]
pub(crate) struct Striped([Place; PLACES]);

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicU64);

thread_local! {
    static PLACE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % PLACES
    };
}

impl Striped {
    #[inline]
    pub(crate) fn one_more(&self) {
        // Where a thread ends, any place will do.
        let place = PLACE.try_with(|place| *place).unwrap_or(0);
        if let Some(place) = self.0.get(place) {
            place.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0
            .iter()
            .map(|place| place.0.load(Ordering::Relaxed))
            .sum()
    }
}
