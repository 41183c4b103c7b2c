//! What sessions do while Redis is away.

use russet_core::{Error, ErrorKind};

/// What who loads a session is told while Redis cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// An error: nobody knows who they are.
    #[default]
    Error,
    /// That there is none, so that the request goes on as nobody's. Their session is still there when Redis is back: do not take their token from them.
    Anonymous,
}

/// Whether this failure is an outage: it heals by waiting.
pub(crate) fn is_outage(error: &Error) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::Shutdown
}
