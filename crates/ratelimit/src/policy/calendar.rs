//! A limit on a period of the calendar.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::tz::TimeZone;
use russet_core::Bytes;

use super::period::Period;
use super::slack;
use crate::wire::{Kind, settings};

/// A limit on a period of the calendar, and the settings that hold now.
pub(crate) struct Calendar {
    limit: u64,
    period: Period,
    zone: TimeZone,
    last: Mutex<Option<Known>>,
}

/// Settings, and from when until when they are the right ones.
struct Known {
    begins: u64,
    ends: u64,
    settings: Bytes,
}

impl Calendar {
    pub(super) fn new(limit: u64, period: Period, zone: &str) -> Result<Self, String> {
        let found = TimeZone::get(zone);
        let zone =
            found.map_err(|error| format!("its time zone {zone:?} is not known here: {error}"))?;
        Ok(Calendar {
            limit,
            period,
            zone,
            last: Mutex::default(),
        })
    }

    /// The settings by which a script finds the period, if it is about this time on its server: also if it is already the next
    /// period there, or still the one before.
    pub(crate) fn settings(&self, now: u64) -> Bytes {
        // Nothing under this lock panics.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*last
            && (known.begins..known.ends).contains(&now)
        {
            return known.settings.clone();
        }
        let around = self
            .period
            .around(i64::try_from(now).unwrap_or(i64::MAX), &self.zone);
        // Times between the years -9999 and 9999 always have periods around them.
        let around = around
            .unwrap_or_default()
            .map(|begin| u64::try_from(begin).unwrap_or(0));
        let [before, begins, next, ends] = around;
        let settings = settings(
            Kind::Calendar,
            &[
                self.limit,
                before,
                begins,
                next,
                ends,
                slack(next.saturating_sub(begins)),
            ],
        );
        *last = Some(Known {
            begins,
            ends: next,
            settings: settings.clone(),
        });
        settings
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calendar({} a {})", self.limit, self.period.name())
    }
}
