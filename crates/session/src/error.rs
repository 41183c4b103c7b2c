//! Why a session could not be read or written.

use std::fmt;

use russet_core::{BuildError, Error, ErrorKind};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a session could not be read or written. That there is none (any more) is no error: it is a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// Others have changed the same fields each time that the change was made again; or, where ids are not tokens, revoked all sessions each time that one was created.
    Conflict {
        /// How often it was made.
        tries: u32,
    },
    /// Its data would be more than a session may have.
    TooLarge {
        /// In bytes.
        size: usize,
        /// In bytes.
        most: usize,
    },
    /// The data is not of the wanted type, or cannot be stored: it must be a struct or a map whose keys are text.
    Data(Source),
    /// An id that was supplied could be guessed: whoever guesses it is logged in.
    WeakId {
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is done, and fewer replicas know of it than [were to](crate::Builder::ack), in the time that was given: a failover may undo it.
    NotReplicated {
        /// So many knew it in time.
        by: u32,
        /// So many were asked for.
        wanted: u32,
    },
    /// The session of a request is still held by somebody else in the same request, or by the caller.
    InUse,
    /// Redis could not be asked, or refused.
    Redis(Error),
}

impl SessionError {
    pub(crate) fn data(source: impl Into<Source>) -> Self {
        SessionError::Data(source.into())
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            SessionError::Conflict { .. } | SessionError::NotReplicated { .. } => true,
            SessionError::Redis(error) => error.is_retryable(),
            SessionError::TooLarge { .. }
            | SessionError::WeakId { .. }
            | SessionError::InUse
            | SessionError::Data(_) => false,
        }
    }

    /// Whether it may have been done all the same.
    pub fn may_have_executed(&self) -> bool {
        match self {
            SessionError::NotReplicated { .. } => true,
            SessionError::Redis(error) => error.may_have_executed(),
            _ => false,
        }
    }

    /// What Redis' error is, if it is one.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            SessionError::Redis(error) => Some(error.kind()),
            _ => None,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Conflict { tries } => write!(
                f,
                "others were faster each of {tries} times; change fewer fields at once, count by `increment`, or log in again"
            ),
            SessionError::TooLarge { size, most } => write!(
                f,
                "the session's data would be {size} bytes, and {most} are allowed; keep what is large elsewhere, or raise `max_size`"
            ),
            SessionError::WeakId { why } => write!(
                f,
                "the id could be guessed: {why}; supply a UUID of version 4, or 128 random bits as text"
            ),
            SessionError::NotReplicated { by, wanted } => write!(
                f,
                "it is done, and {by} of the {wanted} that must know of it do; do it again, or look at the server's replicas"
            ),
            SessionError::Data(source) => write!(
                f,
                "the session's data is not of the wanted type, or cannot be stored: {source}"
            ),
            SessionError::InUse => f.write_str(
                "somebody in this request holds its session; drop what `load` gave before you ask for it again, or log out",
            ),
            SessionError::Redis(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SessionError::Redis(error) => Some(error),
            SessionError::Data(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        SessionError::Redis(error)
    }
}

impl From<BuildError> for SessionError {
    fn from(error: BuildError) -> Self {
        SessionError::Redis(error.into())
    }
}
