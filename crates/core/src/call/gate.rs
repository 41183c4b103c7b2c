//! Commands that the connection which all callers share cannot carry.

use crate::command::{Command, Policy};
use crate::error::{BuildError, BuildErrorKind, Error};

/// Refuses a command that would harm whoever shares its connection. Certainly not run.
pub(crate) fn admit(command: &Command, policy: Policy) -> Result<(), Error> {
    let Some(instead) = harm(command, policy) else {
        return Ok(());
    };
    let error = BuildError::new(
        BuildErrorKind::Unsupported,
        format!("refused on a shared connection: {instead}"),
    );
    Err(Error::from(error).on(command.operation(), command.first_key()))
}

/// What to do instead.
fn harm(command: &Command, policy: Policy) -> Option<&'static str> {
    const STATE: &str = "it changes the state of a connection that other callers use too";
    const MESSAGES: &str = "subscribe by `redis.server(concern).subscribe(..)`";
    const SCRIPTS: &str =
        "make it a `Script` and call it by `script` or `script_calls`, which keep its reply apart";
    const WAITS: &str = "it makes all other callers wait; use `redis.server(concern).blocking()`";
    let mut words = command.name().split(' ');
    let name = words.next().unwrap_or_default();
    let first = command.arguments().first();
    let sub = words
        .next()
        .map(str::as_bytes)
        .or(first.map(|first| &first[..]));
    let is_sub = |names: &[&str]| {
        sub.is_some_and(|sub| {
            names
                .iter()
                .any(|name| sub.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    match name {
        "AUTH" | "ASKING" | "DISCARD" | "EXEC" | "HELLO" | "MONITOR" | "MULTI" | "PSYNC"
        | "QUIT" | "READONLY" | "READWRITE" | "RESET" | "SELECT" | "SYNC" | "UNWATCH" | "WATCH" => {
            Some(STATE)
        }
        "CLIENT" if is_sub(&["CACHING", "REPLY", "SETNAME", "TRACKING"]) => Some(STATE),
        "PSUBSCRIBE" | "PUNSUBSCRIBE" | "SSUBSCRIBE" | "SUBSCRIBE" | "SUNSUBSCRIBE"
        | "UNSUBSCRIBE" => Some(MESSAGES),
        "EVAL" | "EVALSHA" | "EVALSHA_RO" | "EVAL_RO" => Some(SCRIPTS),
        "BLMOVE" | "BLMPOP" | "BLPOP" | "BRPOP" | "BRPOPLPUSH" | "BZMPOP" | "BZPOPMAX"
        | "BZPOPMIN" | "WAIT" | "WAITAOF" => Some(WAITS),
        "XREAD" | "XREADGROUP" if blocks(command) => Some(WAITS),
        _ => matches!(policy, Policy::Blocking(_)).then_some(WAITS),
    }
}

/// Whether a read of streams waits: the option stands before the names of streams.
fn blocks(command: &Command) -> bool {
    let mut args = command.arguments().iter();
    while let Some(arg) = args.next() {
        if arg.eq_ignore_ascii_case(b"GROUP") {
            // The names of a group and a consumer, whatever they are.
            args.nth(1);
        } else if arg.eq_ignore_ascii_case(b"BLOCK") {
            return true;
        } else if arg.eq_ignore_ascii_case(b"STREAMS") {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &'static str, args: &[&str]) -> bool {
        let command = Command::new(name).args(args.iter().copied());
        let refused = admit(&command, Policy::Idempotent);
        if let Err(error) = &refused {
            assert!(!error.may_have_executed(), "{error}");
        }
        refused.is_err()
    }

    #[test]
    fn what_harms_others_is_refused_however_it_is_written() {
        assert!(refused("SELECT", &["1"]) && refused("select", &["1"]));
        assert!(refused("CLIENT REPLY", &["OFF"]) && refused("client", &["reply", "off"]));
        assert!(!refused("CLIENT INFO", &[]) && !refused("CLIENT", &["LIST"]));
        assert!(refused("eval", &["return 1", "0"]) && refused("BLPOP", &["list", "0"]));
        assert!(refused(
            "XREAD",
            &["COUNT", "1", "BLOCK", "0", "STREAMS", "s", "$"]
        ));
        assert!(
            !refused("XREAD", &["STREAMS", "BLOCK", "0"]),
            "a stream's name"
        );
        let named = ["GROUP", "streams", "c", "BLOCK", "0", "STREAMS", "s", ">"];
        assert!(
            refused("XREADGROUP", &named),
            "a group's name hides nothing"
        );
        let group = ["GROUP", "block", "BLOCK", "STREAMS", "s", ">"];
        assert!(!refused("XREADGROUP", &group), "a group's and a consumer's");
        assert!(!refused("GET", &["key"]) && !refused("SET", &["select", "block"]));
        let waits = Policy::Blocking(std::time::Duration::from_secs(1));
        assert!(admit(&Command::new("GET").arg("key"), waits).is_err());
    }
}
