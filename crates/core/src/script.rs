//! Lua scripts: sent by hash, loaded where a server does not know them.

use std::fmt;
use std::sync::OnceLock;

use sha1::{Digest as _, Sha1};

use crate::command::Command;
use crate::error::Error;
use crate::key::push_hex;
use crate::reply::Reply;

/// A Lua script.
///
/// What is sent is the source inside a function whose result is put into an array, and taken out again here: a flat array
/// of text would be misread by the client library (`docs/adr/0001`). A script sees nothing of it; line numbers stay.
///
/// ```
/// use russet_core::Script;
///
/// static GET: Script = Script::new("return redis.call('GET', KEYS[1])");
/// assert_eq!(GET.hash().len(), 40);
/// ```
pub struct Script {
    source: &'static str,
    most_keys: usize,
    sent: OnceLock<Sent>,
}

struct Sent {
    text: String,
    hash: String,
}

impl Script {
    /// A script from its source, usually `include_str!("scripts/….lua")`. For a `static`. A first line `#!lua flags=…`
    /// is kept.
    pub const fn new(source: &'static str) -> Self {
        Script {
            source,
            most_keys: 64,
            sent: OnceLock::new(),
        }
    }

    /// The same script, serving at most so many keys where calls are batched
    /// ([`Lane::script_calls`](crate::Lane::script_calls)); 64 unless told, at least one.
    ///
    /// While a script runs, nobody else is served: choose the number so that all of them together take less than half a
    /// millisecond (`INFO commandstats`, `usec_per_call` of `evalsha`).
    #[must_use]
    pub const fn at_most_keys(mut self, keys: usize) -> Self {
        self.most_keys = if keys == 0 { 1 } else { keys };
        self
    }

    pub(crate) fn most_keys(&self) -> usize {
        self.most_keys
    }

    /// The source text.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The SHA-1 in hex by which EVALSHA names it: of what is sent, not of the source alone. Computed once.
    pub fn hash(&self) -> &str {
        &self.sent().hash
    }

    /// What is sent.
    pub(crate) fn text(&self) -> &str {
        &self.sent().text
    }

    pub(crate) fn load(&self) -> Command {
        Command::new("SCRIPT LOAD").arg(&self.sent().text)
    }

    /// The script's own reply, out of the array that it was sent in.
    pub(crate) fn unwrap(reply: Reply) -> Result<Reply, Error> {
        match reply {
            Reply::Array(mut wrapped) if wrapped.len() == 1 => Ok(wrapped.remove(0)),
            other => Err(Error::decode(format!(
                "a script's reply came without its wrap: {other:?}"
            ))),
        }
    }

    fn sent(&self) -> &Sent {
        self.sent.get_or_init(|| {
            let (flags, body) = match self.source.split_once('\n') {
                Some((flags, body)) if flags.starts_with("#!") => (flags, body),
                _ => ("", self.source),
            };
            let mut text = String::with_capacity(self.source.len() + 160);
            if !flags.is_empty() {
                text.push_str(flags);
                text.push('\n');
            }
            // On the body's first and last line, so that error messages name the right ones. An error reply must stay
            // one, and nothing is told from an empty array.
            text.push_str("local reply = (function() ");
            text.push_str(body);
            text.push_str("\nend)() if reply == nil then reply = false end ");
            text.push_str(
                "if type(reply) == 'table' and reply.err then return reply end return {reply}",
            );
            let mut hash = String::with_capacity(40);
            push_hex(&mut hash, &Sha1::digest(text.as_bytes()));
            Sent { text, hash }
        })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stay_on_the_first_line() {
        let script = Script::new("#!lua flags=no-writes\nreturn 1");
        let text = &script.sent().text;
        assert!(
            text.starts_with("#!lua flags=no-writes\nlocal reply = (function() return 1\n"),
            "{text}"
        );
        let mut hash = String::new();
        push_hex(&mut hash, &Sha1::digest(text.as_bytes()));
        assert_eq!(script.hash(), hash);
    }
}
