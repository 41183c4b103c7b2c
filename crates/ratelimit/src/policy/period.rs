//! The periods of the calendar.

use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Period {
    /// From the first on.
    Month,
    /// From Monday on.
    Week,
    /// From midnight on.
    Day,
    /// From minute 0 on.
    Hour,
    /// From second 0 on.
    Minute,
}

impl Period {
    pub(super) fn name(self) -> &'static str {
        match self {
            Period::Month => "month",
            Period::Week => "week",
            Period::Day => "day",
            Period::Hour => "hour",
            Period::Minute => "minute",
        }
    }

    /// How long it is, most of the time.
    pub(super) fn usual(self) -> Duration {
        match self {
            Period::Month => Duration::from_hours(30 * 24),
            Period::Week => Duration::from_hours(7 * 24),
            Period::Day => Duration::from_hours(24),
            Period::Hour => Duration::from_hours(1),
            Period::Minute => Duration::from_mins(1),
        }
    }

    /// When the period before the one that this moment is in begins, that one itself, the next, and when that ends; in
    /// microseconds since 1970.
    pub(super) fn around(self, now: i64, zone: &TimeZone) -> Result<[i64; 4], jiff::Error> {
        let moment = Timestamp::from_microsecond(now)?;
        let length = match self {
            Period::Minute => 60,
            Period::Hour => 3_600,
            _ => return self.days_around(moment, zone),
        };
        // By the zone's offset now, so that an hour that comes twice is two hours.
        let local = moment.as_second() + i64::from(zone.to_offset(moment).seconds());
        let begins = moment.as_second() - local.rem_euclid(length);
        Ok([-1, 0, 1, 2].map(|number| (begins + number * length) * 1_000_000))
    }

    fn days_around(self, moment: Timestamp, zone: &TimeZone) -> Result<[i64; 4], jiff::Error> {
        let today = moment.to_zoned(zone.clone()).date();
        let (first, step) = match self {
            Period::Month => (today.first_of_month(), 1.month()),
            Period::Week => {
                let since = i64::from(today.weekday().since(Weekday::Monday));
                (today.checked_sub(since.days())?, 1.week())
            }
            _ => (today, 1.day()),
        };
        let mut days = [first.checked_sub(step)?, first, first, first];
        days[2] = first.checked_add(step)?;
        days[3] = days[2].checked_add(step)?;
        let mut begins = [0; 4];
        for (begin, day) in begins.iter_mut().zip(days) {
            *begin = day.to_zoned(zone.clone())?.timestamp().as_microsecond();
        }
        Ok(begins)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn around(period: Period, moment: &str, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let now: Timestamp = moment.parse().unwrap();
        let around = period.around(now.as_microsecond(), &zone).unwrap();
        assert!(around[1] <= now.as_microsecond() && now.as_microsecond() < around[2]);
        around
            .iter()
            .map(|begin| Timestamp::from_microsecond(*begin).unwrap().to_string())
            .collect()
    }

    #[test]
    fn periods_of_utc() {
        let moment = "2026-03-01T10:20:30.5Z";
        assert_eq!(
            around(Period::Month, moment, "UTC"),
            [
                "2026-02-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-04-01T00:00:00Z",
                "2026-05-01T00:00:00Z"
            ]
        );
        // It is a Sunday.
        assert_eq!(
            around(Period::Week, moment, "UTC"),
            [
                "2026-02-16T00:00:00Z",
                "2026-02-23T00:00:00Z",
                "2026-03-02T00:00:00Z",
                "2026-03-09T00:00:00Z"
            ]
        );
        assert_eq!(
            around(Period::Day, moment, "UTC")[0..2],
            ["2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"]
        );
        assert_eq!(
            around(Period::Hour, moment, "UTC")[1..3],
            ["2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"]
        );
        assert_eq!(
            around(Period::Minute, moment, "UTC")[1..3],
            ["2026-03-01T10:20:00Z", "2026-03-01T10:21:00Z"]
        );
    }

    #[test]
    fn days_of_23_and_25_hours_and_hours_that_come_twice() {
        // Clocks in Berlin go from 2 to 3 on 29 March 2026, and from 3 to 2 on 25 October.
        assert_eq!(
            around(Period::Day, "2026-03-29T12:00:00Z", "Europe/Berlin")[1..3],
            ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
        assert_eq!(
            around(Period::Day, "2026-10-25T12:00:00Z", "Europe/Berlin")[1..3],
            ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"]
        );
        for moment in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            let hour = around(Period::Hour, moment, "Europe/Berlin");
            assert_eq!(hour[1], moment.replace("30", "00"));
        }
        // Hours of Kathmandu begin at a quarter past.
        assert_eq!(
            around(Period::Hour, "2026-03-01T10:20:30Z", "Asia/Kathmandu")[1],
            "2026-03-01T10:15:00Z"
        );
    }

    #[test]
    fn a_day_without_midnight_begins_when_its_clock_goes_on() {
        // In Cairo clocks go from 0 to 1 on 24 April 2026.
        assert_eq!(
            around(Period::Day, "2026-04-24T12:00:00Z", "Africa/Cairo")[1],
            "2026-04-23T22:00:00Z"
        );
    }
}
