//! Wrong configuration: told when a handle is built, before anything is sent.

use std::fmt;
use std::sync::Arc;

/// What is wrong with a configuration, and what to write instead.
///
/// Cheap to clone; never shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct BuildError(Arc<Repr>);

#[derive(PartialEq, Eq)]
struct Repr {
    kind: BuildErrorKind,
    message: String,
}

/// Which part of a configuration is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// The URL cannot be read at all.
    Url,
    /// The URL's scheme is not one of ours.
    Scheme,
    /// The URL names no host, or one that is none.
    Host,
    /// The URL's port is not a number from 1 to 65535.
    Port,
    /// The URL's path is not a database number, or the server or topology has no such database.
    Database,
    /// A name holds what a key may not hold.
    Name,
    /// An environment variable is missing, contradicts another one, or is not of its form.
    Environment,
    /// TLS is asked for and not compiled in, or its material is unusable.
    Tls,
    /// A number is outside its bounds.
    Limit,
    /// Two options exclude each other.
    Conflict,
    /// The server or this build cannot do what is asked.
    Unsupported,
    /// The handle was shut down.
    Shutdown,
}

impl BuildError {
    /// A wrong configuration; the message says what is wrong and what to write instead.
    pub fn new(kind: BuildErrorKind, message: impl Into<String>) -> Self {
        BuildError(Arc::new(Repr {
            kind,
            message: message.into(),
        }))
    }

    /// Which part of the configuration is wrong.
    pub fn kind(&self) -> BuildErrorKind {
        self.0.kind
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildError({:?}: {})", self.0.kind, self.0.message)
    }
}

impl std::error::Error for BuildError {}
