//! What a cache does while Redis is away.

use russet_core::{Error, ErrorKind, Namespace};

/// What callers see while Redis cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// A read is a miss, hence a load; an insert is skipped.
    #[default]
    Miss,
    /// Reads and inserts fail.
    Error,
}

impl OnOutage {
    /// What a namespace's profile says.
    pub(crate) fn of(ns: &Namespace) -> Self {
        match ns.profile().strict {
            true => OnOutage::Error,
            false => OnOutage::Miss,
        }
    }

    /// Whether this failure is an outage that the caller is spared.
    pub(crate) fn hides(self, error: &Error) -> bool {
        // A refused permission, a wrong password, a key of another type do not heal by waiting: they are told.
        self == OnOutage::Miss && (error.is_retryable() || error.kind() == ErrorKind::Shutdown)
    }
}
