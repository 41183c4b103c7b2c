//! Windows and what is like them.

use russet_core::Bytes;

use super::{MOST_LOGGED, MOST_SUB_WINDOWS, slack};
use crate::wire::{EXACT, Kind, settings};

/// A sub-window is a whole number of microseconds; all of them together are the window, or a little more.
pub(super) fn sliding(
    limit: u64,
    window: u64,
    resolution: u64,
    is_interpolated: bool,
) -> Result<Bytes, String> {
    if !(1..=MOST_SUB_WINDOWS).contains(&resolution) {
        return Err(format!(
            "its resolution is {resolution}; it must be between 1 and {MOST_SUB_WINDOWS}"
        ));
    }
    let width = window.div_ceil(resolution);
    if is_interpolated && u128::from(limit) * u128::from(width) > u128::from(EXACT) {
        return Err(
            "its limit and window are too large to be interpolated exactly; leave out interpolated, or choose a higher resolution"
                .to_owned(),
        );
    }
    Ok(settings(
        Kind::SlidingWindow,
        &[
            limit,
            width,
            resolution,
            u64::from(is_interpolated),
            slack(window),
        ],
    ))
}

pub(super) fn fixed(limit: u64, window: u64) -> Bytes {
    settings(Kind::FixedWindow, &[limit, window, slack(window)])
}

pub(super) fn log(limit: u64, window: u64) -> Result<Bytes, String> {
    if limit > MOST_LOGGED {
        return Err(format!(
            "its limit is {limit}; a log has {MOST_LOGGED} entries at most, so take a sliding window"
        ));
    }
    Ok(settings(Kind::SlidingLog, &[limit, window, slack(window)]))
}

pub(super) fn cooldown(lasts: u64) -> Bytes {
    settings(Kind::Cooldown, &[lasts, slack(lasts)])
}
