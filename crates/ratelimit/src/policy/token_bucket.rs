//! A token bucket in whole numbers.

use std::time::Duration;

use russet_core::Bytes;

use super::{LONGEST, slack};
use crate::wire::{EXACT, Kind, settings as written};

/// How fine time may be cut, in microseconds: the finest comes first.
const TICKS: [u64; 3] = [1, 1_000, 1_000_000];

/// What a token weighs and how much leaks in a tick are whole numbers: `per` in ticks, and `rate`, without their common divisor. So
/// nothing is ever rounded, as long as twice a full bucket (one burst of debt) and one more cost stay below 2^53.
pub(super) fn settings(rate: u64, per: u64, burst: u64) -> Result<Bytes, String> {
    if rate == 0 {
        return Err("its rate is 0; it must be at least 1".to_owned());
    }
    let fills = u128::from(burst) * u128::from(per) / u128::from(rate);
    if fills > LONGEST.as_micros() {
        let years = Duration::from_micros(u64::try_from(fills).unwrap_or(u64::MAX));
        return Err(format!(
            "it takes {years:?} to fill; let it take 3650 days at most"
        ));
    }
    let exact = TICKS.iter().find_map(|&tick| {
        let ticks = per.is_multiple_of(tick).then_some(per / tick)?;
        let divisor = common(ticks, rate);
        let (one, rate) = (ticks / divisor, rate / divisor);
        let most = 3 * u128::from(burst) * u128::from(one);
        (most <= u128::from(EXACT) && rate <= EXACT).then_some([one, rate, tick])
    });
    let Some([one, rate, tick]) = exact else {
        return Err(format!(
            "{burst} tokens at {rate} per {:?} cannot be counted exactly in 2^53 steps; choose a rate and a time with a common \
             divisor, such as 1000000 per 10 s, or a smaller burst",
            Duration::from_micros(per)
        ));
    };
    let fills = u64::try_from(fills).unwrap_or(u64::MAX);
    Ok(written(
        Kind::TokenBucket,
        &[burst, one, rate, tick, slack(fills)],
    ))
}

/// The greatest common divisor (Euclid).
fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const MONTH: u64 = 30 * 86_400 * SECOND;

    /// What a token weighs, what leaks in a tick, and the tick.
    fn of(rate: u64, per: u64, burst: u64) -> [u64; 3] {
        let bytes = settings(rate, per, burst).unwrap();
        let double = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as u64;
        [double(9), double(17), double(25)]
    }

    #[test]
    fn rates_are_whole_numbers() {
        assert_eq!(of(1_000, SECOND, 1_000), [1_000, 1, 1]);
        assert_eq!(of(300, SECOND, 300), [10_000, 3, 1]);
        assert_eq!(of(5_000_000, SECOND, 1), [1, 5, 1], "more than one a tick");
        assert_eq!(of(1_000_000_000, MONTH, 1_000_000_000), [2_592, 1, 1]);
        assert_eq!(
            of(999_983, MONTH, 999_983),
            [2_592_000_000, 999_983, 1_000],
            "a prime a month is counted in milliseconds"
        );
    }
}
