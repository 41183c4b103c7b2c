//! What can go wrong.

use std::time::Duration;

/// What happens to a command that a [`Match`](super::Match) picks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: the command passes, and no later injection sees it.
    Pass,
    /// The command, and what follows it, reaches the server so much later.
    DelayCommand(Duration),
    /// The reply, and what follows it, reaches the client so much later.
    DelayReply(Duration),
    /// The connection is cut before the command is forwarded: it certainly does not run.
    CutBefore,
    /// The command is forwarded whole, and then the connection is cut at once: it runs, and nobody says so.
    CutAfterWrite,
    /// The command runs, and its reply, once it is there, is thrown away.
    DropReply(After),
    /// The command runs, and so many bytes of its reply reach the client before the connection is cut.
    TruncateReply(usize),
    /// The client gets this error (`ERR no`), and the server nothing.
    RejectReply(String),
    /// From this command on, the connection's bytes in this direction vanish while its sockets stay open. Towards the
    /// server the command is the first to vanish; towards the client its reply is.
    BlackHole(Direction),
}

/// What happens to a connection whose reply was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum After {
    /// It is cut.
    Close,
    /// It stays open, and nothing comes to the client any more.
    Silence,
}

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// From the client to the server: commands.
    ToServer,
    /// From the server to the client: replies and pushes.
    ToClient,
}

impl Direction {
    pub(super) fn index(self) -> usize {
        match self {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        }
    }
}
