//! The commands that core sends of itself, for whoever writes access rules.

use bytes::Bytes;

use crate::driver::is_exposed;

/// Commands that one of core's abilities sends, besides those of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upkeep {
    /// What they are for.
    pub purpose: &'static str,
    /// The commands; a subcommand as `SCRIPT LOAD`.
    pub commands: &'static [&'static str],
}

/// What core sends of itself. `AUTH` and `HELLO`, which every user may send, are left out.
pub const UPKEEP: &[Upkeep] = &[
    Upkeep {
        purpose: "connection",
        commands: &["PING", "SELECT", "CLIENT INFO", "INFO"],
    },
    Upkeep {
        purpose: "scripts",
        commands: &["EVAL", "EVALSHA", "SCRIPT LOAD"],
    },
    Upkeep {
        purpose: "cluster",
        commands: &["ASKING", "CLUSTER SLOTS", "CLUSTER INFO"],
    },
    Upkeep {
        purpose: "channels",
        commands: &[
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "PSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SSUBSCRIBE",
            "SUNSUBSCRIBE",
        ],
    },
    Upkeep {
        purpose: "scan",
        commands: &["SCAN"],
    },
];

/// Whether core sends this command inside an `EVAL`: one that may answer a plain list of stored text, which the client
/// library could take for a message.
pub fn is_wrapped(command: &str) -> bool {
    is_exposed(command, &[Bytes::new(), Bytes::new()])
}
