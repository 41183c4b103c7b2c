//! Why a lock could not be had.

use std::fmt;
use std::time::Duration;

use russet_core::{Acked, BuildError, Error, ErrorKind};

use crate::fence::Fence;
use crate::holder::LostReason;

/// Why a lock could not be had, or work under it not be done. That somebody else has it is none: it is a value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Nobody gave it back in the time that [`lock`](crate::Lock::lock) waits.
    Timeout(Duration),
    /// It was lost while the work was being done, which was cancelled.
    Lost(LostReason),
    /// Its fence would not be above the one that [was seen](crate::Lock::above): the server's clock is behind, and it has forgotten.
    FenceUncertain {
        /// What the fence would have been.
        offered: Fence,
        /// What was seen.
        seen: Fence,
    },
    /// Fewer had it than [were to](crate::Ack), in the time that was given; it was given back.
    NotReplicated {
        /// How many had it.
        by: u32,
        /// How many were to.
        wanted: u32,
    },
    /// Redis could not be asked, or refused.
    Redis(Error),
}

impl LockError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            LockError::Timeout(_)
            | LockError::Lost(_)
            | LockError::FenceUncertain { .. }
            | LockError::NotReplicated { .. } => true,
            LockError::Redis(error) => error.is_retryable(),
        }
    }

    /// What Redis' error is, if it is one.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            LockError::Redis(error) => Some(error.kind()),
            _ => None,
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Timeout(waited) => {
                write!(
                    f,
                    "the lock was not free within {waited:?}; wait longer, or hold it shorter"
                )
            }
            LockError::Lost(reason) => write!(
                f,
                "the lock was lost ({reason:?}) while the work was being done; the work was cancelled, and may be half done"
            ),
            LockError::FenceUncertain { offered, seen } => write!(
                f,
                "the lock's fence would be {offered}, and {seen} was seen: the server's clock is behind; wait until it has caught up"
            ),
            LockError::NotReplicated { by, wanted } => write!(
                f,
                "the lock was had by {by} of the {wanted} that must have it, and was given back; look at the server's replicas or its disk"
            ),
            LockError::Redis(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LockError::Redis(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for LockError {
    fn from(error: Error) -> Self {
        LockError::Redis(error)
    }
}

impl From<BuildError> for LockError {
    fn from(error: BuildError) -> Self {
        LockError::Redis(error.into())
    }
}

impl From<Acked> for LockError {
    fn from(Acked { by, wanted, .. }: Acked) -> Self {
        LockError::NotReplicated { by, wanted }
    }
}
