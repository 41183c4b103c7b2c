//! Why a server did not start.

use std::{error, fmt};

/// Says why a server did not start.
///
/// Its text names the ways to get a server when none was found, and ends with the tail of the server's log when one
/// was found and did not come up.
#[derive(Debug)]
pub struct StartError {
    message: String,
    unavailable: bool,
}

impl StartError {
    pub(crate) fn failed(message: impl Into<String>) -> StartError {
        StartError {
            message: message.into(),
            unavailable: false,
        }
    }

    pub(crate) fn unavailable(reason: &str) -> StartError {
        StartError {
            message: format!("{reason}; get a server in one of these ways: {WAYS}"),
            unavailable: true,
        }
    }

    /// Says whether this machine offers no server at all, as opposed to one that failed to start.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.unavailable
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for StartError {}

/// The ways to get a server, for whoever has none.
pub(crate) const WAYS: &str = "put `redis-server` or `valkey-server` on PATH, or name the binary with \
    RUSSET_REDIS_SERVER=/path/to/redis-server; start Docker and use the feature `containers`; or run the tests with \
    `cargo xtask test`, which finds a server by itself";
