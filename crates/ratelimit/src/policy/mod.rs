//! What a subject is held to.

mod calendar;
mod config;
mod period;
mod token_bucket;
mod window;

use std::fmt;
use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind, Bytes};
use serde::{Deserialize, Serialize};

pub use period::Period;

use crate::wire::Kind;
use calendar::Calendar;
use config::Config;

/// The most that a limit may be: what scripts count with stays exact far beyond it.
pub(crate) const MOST: u64 = 100_000_000_000_000;
/// No window is longer: ten years of 365 days.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);
/// How many entries a log may have, times two for debts, is what one script may look at.
const MOST_LOGGED: u64 = 500;
/// How many sub-windows a window may have.
const MOST_SUB_WINDOWS: u64 = 1_000;

/// What a subject is held to: one limit, by one algorithm.
///
/// | policy | never more than | kept |
/// |---|---|---|
/// | [`sliding_window`](Policy::sliding_window) | the limit, in any window | 41 bytes, and 8 for each sub-window that counted anything |
/// | the same, [`interpolated`](Policy::interpolated) | the limit, if calls come evenly | the same |
/// | [`token_bucket`](Policy::token_bucket) | the burst at once, the rate in the long run | 33 bytes |
/// | [`fixed_window`](Policy::fixed_window) | twice the limit, in a window across two of them | 25 bytes |
/// | [`calendar`](Policy::calendar) | the limit, in a month, week, day, hour or minute of the calendar | 25 bytes |
/// | [`sliding_log`](Policy::sliding_log) | the limit, in any window, to the microsecond | 41 bytes, and a sorted set with a member for each call |
/// | [`cooldown`](Policy::cooldown) | one call, in so long | 17 bytes |
///
/// A policy's name is where its counts are stored. Under the same name another limit or window takes the counts over; another
/// algorithm begins anew.
///
/// In configuration a policy has a `kind`, which is the name of its constructor here, and the settings of that: see
/// [`Limits`](crate::Limits).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Config", into = "Config")]
pub struct Policy {
    name: Option<String>,
    rule: Rule,
    watches: bool,
    /// The first setting that this algorithm does not have.
    misused: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    TokenBucket {
        rate: u64,
        per: Duration,
        burst: u64,
    },
    SlidingWindow {
        limit: u64,
        window: Duration,
        resolution: u64,
        is_interpolated: bool,
    },
    FixedWindow {
        limit: u64,
        window: Duration,
    },
    Calendar {
        limit: u64,
        period: Period,
        zone: String,
    },
    SlidingLog {
        limit: u64,
        window: Duration,
    },
    Cooldown {
        lasts: Duration,
    },
}

impl Policy {
    fn new(rule: Rule) -> Self {
        Policy {
            name: None,
            rule,
            watches: false,
            misused: None,
        }
    }

    /// At most `limit` in any window of this length, on the server's clock.
    ///
    /// The window is counted in 60 sub-windows ([`resolution`](Policy::resolution)): the newest 60, and the one before, which is
    /// partly covered, whole. So there are never more than the limit, and what was counted is free again at most a 60th of the window
    /// late; full use comes to 98.8 % of the limit.
    pub fn sliding_window(limit: u64, window: Duration) -> Self {
        Policy::new(Rule::SlidingWindow {
            limit,
            window,
            resolution: 60,
            is_interpolated: false,
        })
    }

    /// `rate` tokens flow in per `per`, and at most [`burst`](Policy::burst) of them wait, `rate` unless told. Exact: in whole numbers,
    /// without drift.
    ///
    /// The leaky bucket as a meter, also known as GCRA (ITU-T I.371, annex A). In any window there are at most the burst and what flowed in:
    /// twice the rate, if the burst is the rate.
    pub fn token_bucket(rate: u64, per: Duration) -> Self {
        Policy::new(Rule::TokenBucket {
            rate,
            per,
            burst: rate,
        })
    }

    /// At most `limit` in a window of this length that begins with a subject's first call. Across two windows there may be twice as much.
    pub fn fixed_window(limit: u64, window: Duration) -> Self {
        Policy::new(Rule::FixedWindow { limit, window })
    }

    /// At most `limit` in a period of the calendar of a time zone, by its name: `"UTC"`, `"Europe/Berlin"`.
    ///
    /// A week begins on Monday. A day without midnight begins when its clock goes on.
    pub fn calendar(limit: u64, period: Period, zone: impl Into<String>) -> Self {
        Policy::new(Rule::Calendar {
            limit,
            period,
            zone: zone.into(),
        })
    }

    /// At most `limit` (500) in any window of this length, by the time of each call to the microsecond: for small limits only, such as
    /// those on resetting a password. A check reads as many entries as there may be.
    pub fn sliding_log(limit: u64, window: Duration) -> Self {
        Policy::new(Rule::SlidingLog { limit, window })
    }

    /// One call, of whatever cost, and then none for so long. What is given back does not end it; [`reset`](crate::Limiter::reset) does.
    pub fn cooldown(lasts: Duration) -> Self {
        Policy::new(Rule::Cooldown { lasts })
    }

    /// How many tokens of a bucket may wait.
    #[must_use]
    pub fn burst(mut self, tokens: u64) -> Self {
        match &mut self.rule {
            Rule::TokenBucket { burst, .. } => *burst = tokens,
            _ => self.misuse("burst"),
        }
        self
    }

    /// How many sub-windows a sliding window has, 1 to 1,000: what was counted is free again at most that part of the window late.
    #[must_use]
    pub fn resolution(mut self, sub_windows: u64) -> Self {
        match &mut self.rule {
            Rule::SlidingWindow { resolution, .. } => *resolution = sub_windows,
            _ => self.misuse("resolution"),
        }
        self
    }

    /// Counts of the sub-window that is partly covered only as large a part as is, as if calls had come evenly: as much as the limit
    /// gets through, and at times a little more. With [`resolution(1)`](Policy::resolution) it is the well-known counter of two windows,
    /// which lets through nearly twice the limit.
    #[must_use]
    pub fn interpolated(mut self) -> Self {
        match &mut self.rule {
            Rule::SlidingWindow {
                is_interpolated, ..
            } => *is_interpolated = true,
            _ => self.misuse("interpolated"),
        }
        self
    }

    /// What it is called in decisions, header fields and Redis: the algorithm's name unless told.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only watches: it counts as ever, denies nobody, and [`Decision::would_deny`](crate::Decision::would_deny) says when it would have.
    #[must_use]
    pub fn shadow(mut self) -> Self {
        self.watches = true;
        self
    }

    fn misuse(&mut self, setting: &str) {
        self.misused.get_or_insert_with(|| setting.to_owned());
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.kind().name())
    }

    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.rule {
            Rule::TokenBucket { .. } => Kind::TokenBucket,
            Rule::SlidingWindow { .. } => Kind::SlidingWindow,
            Rule::FixedWindow { .. } => Kind::FixedWindow,
            Rule::Calendar { .. } => Kind::Calendar,
            Rule::SlidingLog { .. } => Kind::SlidingLog,
            Rule::Cooldown { .. } => Kind::Cooldown,
        }
    }

    /// The most that fits at once.
    pub(crate) fn limit(&self) -> u64 {
        match self.rule {
            Rule::TokenBucket { burst, .. } => burst,
            Rule::SlidingWindow { limit, .. }
            | Rule::FixedWindow { limit, .. }
            | Rule::Calendar { limit, .. }
            | Rule::SlidingLog { limit, .. } => limit,
            Rule::Cooldown { .. } => 1,
        }
    }

    /// How long a sub-window of a sliding window is, in microseconds.
    pub(crate) fn sub_window(&self) -> u64 {
        match self.rule {
            Rule::SlidingWindow {
                window, resolution, ..
            } => as_micros(window).div_ceil(resolution.max(1)).max(1),
            _ => 1,
        }
    }

    /// As many in so long: what it comes to in the long run.
    pub(crate) fn as_bucket(&self) -> (u64, Duration) {
        let window = match &self.rule {
            Rule::TokenBucket { rate, per, burst } => per.mul_f64(ratio(*burst, *rate)),
            Rule::SlidingWindow { window, .. }
            | Rule::FixedWindow { window, .. }
            | Rule::SlidingLog { window, .. } => *window,
            Rule::Calendar { period, .. } => period.usual(),
            Rule::Cooldown { lasts } => *lasts,
        };
        (self.limit(), window)
    }

    /// What scripts are told of it.
    pub(crate) fn settings(&self) -> Result<Settings, BuildError> {
        let settings = self.checked();
        settings.map_err(|wrong| {
            let name = self.name();
            BuildError::new(
                BuildErrorKind::Limit,
                format!("the policy {name:?}: {wrong}"),
            )
        })
    }

    fn checked(&self) -> Result<Settings, String> {
        if let Some(setting) = &self.misused {
            let kind = self.kind().name();
            return Err(format!("{setting} is no setting of a {kind}"));
        }
        let limit = self.limit();
        if !(1..=MOST).contains(&limit) {
            return Err(format!(
                "its limit is {limit}; it must be between 1 and {MOST}"
            ));
        }
        Ok(match &self.rule {
            Rule::TokenBucket { rate, per, burst } => {
                Settings::Fixed(token_bucket::settings(*rate, micros("per", *per)?, *burst)?)
            }
            Rule::SlidingWindow {
                limit,
                window,
                resolution,
                is_interpolated,
            } => {
                let window = micros("window", *window)?;
                Settings::Fixed(window::sliding(
                    *limit,
                    window,
                    *resolution,
                    *is_interpolated,
                )?)
            }
            Rule::FixedWindow { limit, window } => {
                Settings::Fixed(window::fixed(*limit, micros("window", *window)?))
            }
            Rule::Calendar {
                limit,
                period,
                zone,
            } => Settings::Calendar(Calendar::new(*limit, *period, zone)?),
            Rule::SlidingLog { limit, window } => {
                Settings::Fixed(window::log(*limit, micros("window", *window)?)?)
            }
            Rule::Cooldown { lasts } => {
                Settings::Fixed(window::cooldown(micros("duration", *lasts)?))
            }
        })
    }
}

/// What scripts are told of a policy.
#[derive(Debug)]
pub(crate) enum Settings {
    /// Always the same.
    Fixed(Bytes),
    /// By the time that it is on the server.
    Calendar(Calendar),
}

#[allow(
    clippy::cast_precision_loss,
    reason = "what a process limits by itself need not be exact"
)]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// Between a millisecond and ten years.
fn micros(what: &str, time: Duration) -> Result<u64, String> {
    if (Duration::from_millis(1)..=LONGEST).contains(&time) {
        return Ok(as_micros(time));
    }
    Err(format!(
        "its {what} is {time:?}; it must be between 1 ms and 3650 days"
    ))
}

/// How long something lasts, in microseconds: between a millisecond and ten years.
pub(crate) fn lasting(what: &str, time: Duration) -> Result<u64, BuildError> {
    micros("duration", time)
        .map_err(|wrong| BuildError::new(BuildErrorKind::Limit, format!("{what}: {wrong}")))
}

/// At most 584,000 years.
pub(crate) fn as_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// For how much longer than needed a key lives, so that its life is told seldom: an eighth of its window, a second at least.
fn slack(window: u64) -> u64 {
    (window / 8).max(1_000_000)
}

impl fmt::Display for Policy {
    /// As a reader of a log would say it: `sliding_window: 100 in 60s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match &self.rule {
            Rule::TokenBucket { rate, per, burst } => {
                write!(f, "{rate} per {per:?}, at most {burst} at once")
            }
            Rule::SlidingWindow { limit, window, .. }
            | Rule::FixedWindow { limit, window }
            | Rule::SlidingLog { limit, window } => write!(f, "{limit} in {window:?}"),
            Rule::Calendar {
                limit,
                period,
                zone,
            } => write!(f, "{limit} a {} in {zone}", period.name()),
            Rule::Cooldown { lasts } => write!(f, "one in {lasts:?}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let never = Duration::ZERO;
        for (policy, told) in [
            (Policy::sliding_window(0, MINUTE), "its limit is 0"),
            (Policy::sliding_window(MOST + 1, MINUTE), "its limit is"),
            (Policy::sliding_window(1, never), "its window is 0ns"),
            (
                Policy::sliding_window(1, MINUTE).resolution(0),
                "resolution",
            ),
            (
                Policy::sliding_window(1, MINUTE).resolution(1_001),
                "resolution",
            ),
            (
                Policy::sliding_window(1, MINUTE).burst(3),
                "burst is no setting of a sliding_window",
            ),
            (
                Policy::sliding_window(MOST, LONGEST).interpolated(),
                "interpolated",
            ),
            (Policy::token_bucket(0, MINUTE), "its limit is 0"),
            (Policy::token_bucket(0, MINUTE).burst(5), "its rate is 0"),
            (Policy::token_bucket(1, MINUTE).burst(0), "its limit is 0"),
            (Policy::token_bucket(1, never), "its per is 0ns"),
            (Policy::token_bucket(1, LONGEST).burst(2), "fill"),
            (Policy::token_bucket(999_999_999_989, LONGEST), "2^53"),
            (Policy::fixed_window(0, MINUTE), "its limit is 0"),
            (Policy::fixed_window(1, LONGEST + MINUTE), "its window is"),
            (Policy::sliding_log(501, MINUTE), "500"),
            (
                Policy::calendar(1, Period::Day, "Mars/Olympus"),
                "Mars/Olympus",
            ),
            (Policy::cooldown(never), "its duration is 0ns"),
            (
                Policy::cooldown(MINUTE).interpolated(),
                "interpolated is no setting of a cooldown",
            ),
        ] {
            let error = policy.settings().unwrap_err();
            assert_eq!(error.kind(), BuildErrorKind::Limit);
            assert!(error.to_string().contains(told), "{error}, wanted {told}");
        }
    }

    #[test]
    fn a_reader_of_a_log_is_told() {
        let policy = Policy::token_bucket(10, MINUTE).burst(20).named("burst");
        assert_eq!(policy.to_string(), "burst: 10 per 60s, at most 20 at once");
        let policy = Policy::calendar(5, Period::Month, "UTC");
        assert_eq!(policy.to_string(), "calendar: 5 a month in UTC");
    }
}
