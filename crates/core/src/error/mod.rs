//! What can go wrong, and what is known of the command when it did.

mod build;
mod kind;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use build::{BuildError, BuildErrorKind};
pub use kind::ErrorKind;

use crate::key::Key;

/// A failed operation: what failed, why, and whether the command may have run all the same.
///
/// One word wide and cheap to clone, because one failed batch has many callers. Neither `Display` nor `Debug`
/// ever shows a value, a password or the run-time part of a key.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: ErrorKind,
    message: Cow<'static, str>,
    may_have_executed: bool,
    operation: Option<Cow<'static, str>>,
    key: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind` whose command certainly did not run, unless the kind itself leaves that open.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Arc::new(Repr {
            kind,
            message: message.into(),
            may_have_executed: kind.is_ambiguous(),
            operation: None,
            key: None,
            source: None,
        }))
    }

    /// What was asked was not done in time; it may be done all the same.
    pub fn deadline(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Deadline, message)
    }

    /// A reply that is not of the shape that the caller asked for: the command ran.
    pub fn decode(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Decode, message)
    }

    /// A value that cannot be written as bytes: nothing was sent.
    pub fn encode(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        Error::new(ErrorKind::Encode, source.to_string()).with_source(source)
    }

    pub(crate) fn with_executed(self, may_have_executed: bool) -> Self {
        self.change(|repr| repr.may_have_executed = may_have_executed)
    }

    /// The same, but in doubt if an attempt before it was.
    pub(crate) fn or_executed(self, earlier: bool) -> Self {
        if earlier && !self.may_have_executed() {
            self.with_executed(true)
        } else {
            self
        }
    }

    pub(crate) fn with_source(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.change(|repr| repr.source = Some(source.into()))
    }

    /// The same error, told of this operation on this key. For the concern crates, on errors of their own making.
    #[must_use]
    pub fn on(self, operation: impl Into<Cow<'static, str>>, key: Option<&Key>) -> Self {
        self.change(|repr| {
            repr.operation = Some(operation.into());
            repr.key = key.map(ToString::to_string);
        })
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kind in the words of metrics and logs: `connection_lost`.
    pub fn kind_name(&self) -> &'static str {
        self.0.kind.name()
    }

    /// Whether the same call may succeed later without anything being changed by a person.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_transient()
    }

    /// Whether the command may have run on the server.
    ///
    /// `false` is a promise: it did not, and trying again cannot do it twice. `true` means that it did or that
    /// nobody here can know: the reply was lost, or the deadline passed after the command had been handed to
    /// the connection.
    pub fn may_have_executed(&self) -> bool {
        self.0.may_have_executed
    }

    /// The command or operation that failed (`GET`, `connect`), if one was under way.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The key of the failed command with its run-time part hidden (`shop:cache:users:…`).
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Applies a change to this error alone: one that others hold too becomes the source of a new one.
    fn change(mut self, change: impl FnOnce(&mut Repr)) -> Self {
        if let Some(repr) = Arc::get_mut(&mut self.0) {
            change(repr);
            return self;
        }
        let mut repr = Repr {
            kind: self.0.kind,
            message: self.to_string().into(),
            may_have_executed: self.0.may_have_executed,
            operation: None,
            key: None,
            source: None,
        };
        change(&mut repr);
        repr.source.get_or_insert_with(|| Box::new(self));
        Error(Arc::new(repr))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr {
            kind,
            message,
            operation,
            key,
            may_have_executed,
            ..
        } = &*self.0;
        if let Some(operation) = operation {
            f.write_str(operation)?;
            if let Some(key) = key {
                write!(f, " {key}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(message)?;
        if *may_have_executed && kind.is_ambiguous() {
            f.write_str(" (the command may have run)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.to_string())
            .field("may_have_executed", &self.0.may_have_executed)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        let kind = match error.kind() {
            BuildErrorKind::Shutdown => ErrorKind::Shutdown,
            _ => ErrorKind::Config,
        };
        Error::new(kind, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn display_tells_operation_key_and_doubt() {
        let key = crate::Prefix::new("shop")
            .unwrap()
            .stem("cache", "users")
            .unwrap()
            .key("alice");
        let error = Error::new(ErrorKind::Deadline, "no reply within 1s").on("GET", Some(&key));
        assert_eq!(
            error.to_string(),
            "GET shop:cache:users:…: no reply within 1s (the command may have run)"
        );
        let error =
            Error::new(ErrorKind::Overloaded, "4096 commands are in flight").on("GET", None);
        assert_eq!(error.to_string(), "GET: 4096 commands are in flight");
        assert!(!error.may_have_executed());
    }
}
