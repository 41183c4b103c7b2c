//! Waiting for something to become true, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Polls `check` in small steps until it is true.
///
/// The steps grow from 200 µs to 10 ms. `check` runs at least once, and once more when the deadline has passed.
///
/// # Panics
///
/// When `check` is still false after `deadline`; the message holds `what`, so say what was awaited:
/// `eventually(d, "the second subscriber is registered", || ..)`.
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, check: impl FnMut() -> bool) {
    assert!(
        holds_within(deadline, check),
        "not within {deadline:?}: {what}"
    );
}

/// Waits for threads; one's panic is ours.
pub(crate) fn joined<T>(all: Vec<thread::ScopedJoinHandle<'_, T>>) -> Vec<T> {
    let join = |one: thread::ScopedJoinHandle<'_, T>| {
        one.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    };
    all.into_iter().map(join).collect()
}

/// Says whether `check` became true within `deadline`.
pub(crate) fn holds_within(deadline: Duration, mut check: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    let mut step = Duration::from_micros(200);
    loop {
        let last = Instant::now() >= end;
        if check() {
            return true;
        }
        if last {
            return false;
        }
        thread::sleep(step);
        step = (step * 5 / 4).min(Duration::from_millis(10));
    }
}
