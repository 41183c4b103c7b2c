//! From what the driver saw to what the caller is told.

use crate::driver::{Cause, Failure};
use crate::error::{Error, ErrorKind};

/// What a failed command's error is, and whether the command may have run.
pub(crate) fn command(name: &str, failure: Failure) -> Error {
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
        Cause::ClusterDown => cluster_down(),
        Cause::Protocol => Error::new(ErrorKind::Decode, "the reply could not be read"),
        Cause::Refused => Error::new(ErrorKind::Server, failure.text),
        Cause::Local => Error::new(ErrorKind::Unavailable, failure.text),
        Cause::Answer => answer(name, failure.text),
    }
}

fn cluster_down() -> Error {
    let message = "the cluster is down, or does not serve a slot";
    Error::new(ErrorKind::ClusterDown, message).with_executed(true)
}

/// A server's error reply. It begins with a code.
///
/// A command that is refused with one of these codes did not run. A script may answer anything, also after it has
/// written; what it answers counts as a refusal only if the text is the server's own.
fn answer(name: &str, text: String) -> Error {
    let code = text.split(' ').next().unwrap_or_default();
    let kind = match code {
        "NOAUTH" | "WRONGPASS" => ErrorKind::Auth,
        "NOPERM" => ErrorKind::Permission,
        "LOADING" => ErrorKind::Loading,
        "READONLY" | "MASTERDOWN" | "NOREPLICAS" | "MISCONF" => ErrorKind::ReadOnly,
        "OOM" => ErrorKind::OutOfMemory,
        "BUSY" => ErrorKind::Busy,
        "NOSCRIPT" => ErrorKind::NoScript,
        "TRYAGAIN" => ErrorKind::TryAgain,
        "CROSSSLOT" | "MOVED" | "ASK" => ErrorKind::CrossSlot,
        "WRONGTYPE" => ErrorKind::WrongType,
        _ => ErrorKind::Server,
    };
    let is_script = name.starts_with("EVAL") || name.starts_with("FCALL");
    let refused = if is_script {
        SCRIPT_REFUSALS
            .iter()
            .any(|refusal| text.starts_with(refusal))
    } else {
        kind != ErrorKind::Server
    };
    let text = match kind {
        // Whoever has a slot map follows these, if the command says what its key is.
        ErrorKind::CrossSlot if code != "CROSSSLOT" => format!(
            "the key is another node's ({text}); on a cluster, name keys with `Command::key`, not as arguments"
        ),
        ErrorKind::CrossSlot => {
            "the keys are of different cluster slots; give them one hash tag, as `Stem::tagged` does".to_owned()
        }
        _ => without_arguments(text),
    };
    Error::new(kind, text).with_executed(!refused)
}

/// An error inside a reply: whatever answered it ran.
pub(crate) fn element(text: String) -> Error {
    answer("EVALSHA", text).with_executed(true)
}

/// A server that does not know a command repeats what came with it: keys, values, passwords.
fn without_arguments(mut text: String) -> String {
    const REPEATED: &str = ", with args beginning with";
    if let Some(at) = text.find(REPEATED) {
        text.truncate(at);
    }
    text
}

/// What a server says of a script that it did not begin to run, or whose first write it refused for a reason that
/// holds for every write of the script.
///
/// Not among them: `MOVED` and `ASK`, which whoever knows the command's slot can tell from a script's own words; an OOM inside the script, which may come after a command that frees, and any WRONGTYPE.
const SCRIPT_REFUSALS: [&str; 12] = [
    "CROSSSLOT Keys in request don't hash to the same slot",
    "BUSY Redis is busy running a script",
    "BUSY Valkey is busy running a script",
    "LOADING Redis is loading the dataset in memory",
    "LOADING Valkey is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down",
    "NOPERM User ",
    "NOPERM No permissions to access",
    "NOSCRIPT No matching script",
    "OOM allow-oom flag is not set on the script",
    "READONLY You can't write against a read only replica",
    "TRYAGAIN Multiple keys request during rehashing",
];

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
        Cause::Local => format!("{endpoint} was not asked: {text}"),
        Cause::Timeout => format!("{endpoint} did not answer: {text}"),
        _ => format!("{endpoint} cannot be reached: {}", readable(text)),
    };
    Error::new(ErrorKind::Unavailable, why)
}

/// The system's own words: fred passes on the `Debug` form of what it met (`Os { code: 111, …, message: "…" }`).
fn readable(text: &str) -> &str {
    let quoted = ["message: \"", "error: \""]
        .iter()
        .find_map(|field| text.split_once(field)?.1.split('"').next());
    let bare = || text.split_once("error: ")?.1.strip_suffix(" }");
    quoted.or_else(bare).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_words_are_found() {
        let refused = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        assert_eq!(readable(refused), "Connection refused");
        let unknown =
            r#"Custom { kind: Uncategorized, error: "failed to lookup address information" }"#;
        assert_eq!(readable(unknown), "failed to lookup address information");
        let tls = "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }";
        assert_eq!(readable(tls), "InvalidCertificate(UnknownIssuer)");
        assert_eq!(readable("Connection closed."), "Connection closed.");
    }

    #[test]
    fn what_came_with_a_command_is_not_repeated() {
        let text = "ERR unknown command 'NOPE', with args beginning with: 'user:7' 'secret' ";
        assert_eq!(
            without_arguments(text.to_owned()),
            "ERR unknown command 'NOPE'"
        );
    }

    #[test]
    fn a_script_s_words_are_no_refusal() {
        let answered = |name, text: &str| {
            command(
                name,
                Failure {
                    cause: Cause::Answer,
                    text: text.to_owned(),
                },
            )
        };
        assert!(!answered("SET", "OOM command not allowed").may_have_executed());
        assert!(answered("EVALSHA", "OOM command not allowed").may_have_executed());
        assert!(
            !answered("EVALSHA", "NOSCRIPT No matching script. Please use EVAL.")
                .may_have_executed()
        );
        assert!(answered("EVALSHA", "NOSCRIPT mine").may_have_executed());
        assert!(answered("SET", "ERR something new").may_have_executed());
    }
}
