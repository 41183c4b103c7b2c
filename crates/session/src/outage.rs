//! What sessions do while Redis is away.

use std::sync::atomic::{AtomicBool, Ordering};

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

/// How often an outage is told in the log: once when it begins, and once when it has ended.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicBool);

impl Told {
    pub(crate) fn seen<T>(&self, sessions: &str, on_outage: OnOutage, result: &Result<T, Error>) {
        match result {
            // A full server answers, and refuses but a part of what is asked.
            Err(error)
                if is_outage(error)
                    && error.kind() != ErrorKind::OutOfMemory
                    && !self.0.swap(true, Ordering::Relaxed) =>
            {
                tracing::warn!(
                    target: "russet::session", sessions, %error, ?on_outage,
                    "Redis cannot be asked; sessions cannot be read or written until it can"
                );
            }
            Ok(_) if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) => {
                tracing::info!(target: "russet::session", sessions, "Redis answers again");
            }
            _ => {}
        }
    }
}
