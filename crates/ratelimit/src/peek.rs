//! What is counted of a subject.

use std::time::Duration;

use russet_core::{Bytes, Error};

use crate::rules::Rules;
use crate::wire::{numbers_of, unreadable, whole};

/// What is counted of a subject, by all policies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peek {
    /// How long it is blocked yet.
    pub blocked_for: Option<Duration>,
    /// By each policy, in the order of the builder.
    pub quotas: Vec<Quota>,
}

/// What is counted of a subject by one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// The policy's name.
    pub policy: String,
    /// The most that fits.
    pub limit: u64,
    /// How much is counted.
    pub current: u64,
    /// In how long nothing will be, if nobody is charged meanwhile.
    pub reset_after: Duration,
}

impl Quota {
    /// How much more would pass now.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.current)
    }
}

impl Peek {
    /// How much more would pass now, by all policies; nothing for a blocked subject.
    pub fn remaining(&self) -> u64 {
        if self.blocked_for.is_some() {
            return 0;
        }
        self.quotas.iter().map(Quota::remaining).min().unwrap_or(0)
    }

    /// The script's reply; the server's time, where it was asked for other periods of the calendar than it is there.
    pub(crate) fn read(rules: &Rules, reply: &[Bytes]) -> Result<Result<Self, u64>, Error> {
        let (head, quotas) = reply.split_first().ok_or_else(unreadable)?;
        if let Some([now]) = numbers_of(head) {
            return Ok(Err(whole(now)));
        }
        let [blocked, _] = numbers_of(head).ok_or_else(unreadable)?;
        let micros = |number: f64| Duration::from_micros(whole(number.ceil()));
        let quotas = rules.policies().zip(quotas).map(|(policy, bytes)| {
            let [limit, current, idle] = numbers_of(bytes).ok_or_else(unreadable)?;
            Ok(Quota {
                policy: policy.name().to_owned(),
                limit: whole(limit),
                current: whole(current),
                reset_after: micros(idle),
            })
        });
        Ok(Ok(Peek {
            blocked_for: (blocked > 0.0).then(|| micros(blocked)),
            quotas: quotas.collect::<Result<_, Error>>()?,
        }))
    }
}
