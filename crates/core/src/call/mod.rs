//! The way of a command from its caller to the driver and back.

mod budget;
pub(crate) mod classify;
mod gate;

pub(crate) use budget::Budget;
pub(crate) use gate::admit;

use std::time::{Duration, Instant};

/// When a call that begins now is over; a deadline beyond what a clock can say is a day's.
pub(crate) fn until(deadline: Duration) -> Instant {
    const DAY: Duration = Duration::from_hours(24);
    let now = Instant::now();
    now.checked_add(deadline).unwrap_or(now + DAY)
}
