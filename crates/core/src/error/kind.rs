//! The kinds of failure that a caller can tell apart.

/// What kind of failure an [`Error`](crate::Error) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is wrong; the source is a [`BuildError`](crate::BuildError).
    Config,
    /// The server refused the user name or password, or wants one.
    Auth,
    /// The ACL user may not run this command or touch this key.
    Permission,
    /// No connection: the server cannot be reached, or answers with nothing. The command was not sent.
    Unavailable,
    /// Too many commands are waiting already. The command was not sent.
    Overloaded,
    /// No reply within the deadline.
    Deadline,
    /// The connection was lost before the reply came.
    ConnectionLost,
    /// The server is loading its data and refused the command.
    Loading,
    /// The server is a replica, has too few replicas or cannot save to its disk, and refused the write.
    ReadOnly,
    /// The server is out of memory (`maxmemory` under `noeviction`) and refused the write.
    OutOfMemory,
    /// The server is running a slow script and refused the command.
    Busy,
    /// The script is not known to the server, and loading it did not help.
    NoScript,
    /// The cluster cannot serve the slot now.
    ClusterDown,
    /// The keys' slot is on its way to another node, and they are not all on one side. The command was refused.
    TryAgain,
    /// The command's keys are of different cluster slots, or are not named as keys. It was refused.
    CrossSlot,
    /// The key holds another Redis type than the command wants.
    WrongType,
    /// The server answered with another error.
    Server,
    /// The reply or the stored bytes are not what the caller asked for.
    Decode,
    /// The value cannot be encoded. Nothing was sent.
    Encode,
    /// The handle was shut down, or the runtime that made it has ended.
    Shutdown,
}

impl ErrorKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ErrorKind::Config => "config",
            ErrorKind::Auth => "auth",
            ErrorKind::Permission => "permission",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Deadline => "deadline",
            ErrorKind::ConnectionLost => "connection_lost",
            ErrorKind::Loading => "loading",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::OutOfMemory => "out_of_memory",
            ErrorKind::Busy => "busy",
            ErrorKind::NoScript => "no_script",
            ErrorKind::ClusterDown => "cluster_down",
            ErrorKind::TryAgain => "try_again",
            ErrorKind::CrossSlot => "cross_slot",
            ErrorKind::WrongType => "wrong_type",
            ErrorKind::Server => "server",
            ErrorKind::Decode => "decode",
            ErrorKind::Encode => "encode",
            ErrorKind::Shutdown => "shutdown",
        }
    }

    /// Whether the kind alone leaves open if the command ran.
    pub(crate) fn is_ambiguous(self) -> bool {
        matches!(
            self,
            ErrorKind::Deadline | ErrorKind::ConnectionLost | ErrorKind::Decode
        )
    }

    pub(crate) fn is_transient(self) -> bool {
        matches!(
            self,
            ErrorKind::Unavailable
                | ErrorKind::Overloaded
                | ErrorKind::Deadline
                | ErrorKind::ConnectionLost
                | ErrorKind::Loading
                | ErrorKind::ReadOnly
                | ErrorKind::OutOfMemory
                | ErrorKind::Busy
                | ErrorKind::ClusterDown
                | ErrorKind::TryAgain
        )
    }
}
