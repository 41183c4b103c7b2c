//! From what the driver saw to what the caller is told.

use crate::driver::{Cause, Failure};
use crate::error::{Error, ErrorKind};

/// What a failed command's error is, and whether the command may have run.
pub(crate) fn command(failure: Failure) -> Error {
    match failure.cause {
        Cause::NeverSent => Error::new(
            ErrorKind::Unavailable,
            "the connection was lost before the command was sent",
        ),
        Cause::Timeout => Error::new(ErrorKind::Deadline, "no reply within the deadline"),
        Cause::Connection => Error::new(
            ErrorKind::ConnectionLost,
            "the connection was lost before the reply came",
        ),
        Cause::Protocol => Error::new(ErrorKind::Decode, "the reply could not be read"),
        Cause::Refused => Error::new(ErrorKind::Server, failure.text),
        Cause::Answer => answer(failure.text),
    }
}

/// A server's error reply. It begins with a code; a script's may have written before it failed.
fn answer(text: String) -> Error {
    let code = text.split(' ').next().unwrap_or_default();
    let (kind, executed) = match code {
        "NOAUTH" | "WRONGPASS" => (ErrorKind::Auth, false),
        "NOPERM" => (ErrorKind::Permission, in_script(&text)),
        "LOADING" => (ErrorKind::Loading, false),
        "READONLY" | "MASTERDOWN" | "NOREPLICAS" => (ErrorKind::ReadOnly, in_script(&text)),
        "OOM" => (ErrorKind::OutOfMemory, in_script(&text)),
        "BUSY" => (ErrorKind::Busy, false),
        "NOSCRIPT" => (ErrorKind::NoScript, false),
        "CLUSTERDOWN" | "TRYAGAIN" => (ErrorKind::ClusterDown, false),
        "WRONGTYPE" => (ErrorKind::WrongType, in_script(&text)),
        _ => (ErrorKind::Server, true),
    };
    Error::new(kind, text).with_executed(executed)
}

/// An error that a script raised: Redis appends `script: <sha>, on @user_script:<line>.` to it.
fn in_script(text: &str) -> bool {
    text.contains("script: ") || text.contains("user_script")
}

/// What a failed connect is: wrong configuration is told at once, the rest may heal.
pub(crate) fn connect(failure: &Failure, endpoint: &str) -> Error {
    use crate::error::{BuildError, BuildErrorKind};

    let text = &failure.text;
    let code = text.split(' ').next().unwrap_or_default();
    match code {
        "WRONGPASS" => {
            return Error::new(
                ErrorKind::Auth,
                format!(
                    "{endpoint} refused the user name or password; check both in the URL or its variable"
                ),
            );
        }
        "NOAUTH" => {
            return Error::new(
                ErrorKind::Auth,
                format!(
                    "{endpoint} wants a password; write redis://:password@host, or user:password@host"
                ),
            );
        }
        "NOPERM" => {
            return Error::new(
                ErrorKind::Permission,
                format!("{endpoint} let the user in but allows it too little: {text}"),
            );
        }
        "LOADING" => {
            return Error::new(
                ErrorKind::Loading,
                format!("{endpoint} is loading its data"),
            );
        }
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("db index") || lower.contains("select is not allowed") {
        return BuildError::new(
            BuildErrorKind::Database,
            format!(
                "{endpoint} has no such database ({text}); write /0, or raise `databases` in the server's configuration"
            ),
        )
        .into();
    }
    if lower.contains("without any password configured") {
        return Error::new(
            ErrorKind::Auth,
            format!("{endpoint} has no password set, but one was given; remove it from the URL"),
        );
    }
    let why = match failure.cause {
        Cause::Timeout => format!("{endpoint} did not answer: {text}"),
        _ => format!("{endpoint} cannot be reached: {text}"),
    };
    Error::new(ErrorKind::Unavailable, why)
}
