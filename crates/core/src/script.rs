//! Lua scripts: sent by hash, loaded where a server does not know them.

use std::fmt;
use std::sync::OnceLock;

use sha1::{Digest as _, Sha1};

use crate::command::Command;
use crate::key::push_hex;

/// A Lua script and its hash.
///
/// ```
/// use russet_core::Script;
///
/// static RENAME_IF_SAME: Script = Script::new("return redis.call('GET', KEYS[1])");
/// assert_eq!(RENAME_IF_SAME.hash().len(), 40);
/// ```
pub struct Script {
    source: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    /// A script from its source, usually `include_str!("scripts/….lua")`. For a `static`.
    pub const fn new(source: &'static str) -> Self {
        Script {
            source,
            hash: OnceLock::new(),
        }
    }

    /// The source text.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The SHA-1 of the source in hex, by which EVALSHA names it. Computed once.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut hex = String::with_capacity(40);
            push_hex(&mut hex, &Sha1::digest(self.source.as_bytes()));
            hex
        })
    }

    pub(crate) fn load(&self) -> Command {
        Command::new("SCRIPT LOAD").arg(self.source)
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
    fn the_hash_is_redis_s() {
        // As `SCRIPT LOAD "return 1"` answers.
        assert_eq!(
            Script::new("return 1").hash(),
            "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
        );
    }
}
