//! Who must have a write before it counts as done.

use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::command::{Command, IntoArg};
use crate::error::{BuildError, BuildErrorKind, Error};
use crate::key::Key;
use crate::lane::Blocking;
use crate::reply::{FromReply, Reply};
use crate::script::Script;
use crate::server::Server;
use crate::server_info::{Product, ServerInfo, Version};

/// Who must have noted a write before it counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack {
    /// The primary. A failover may lose it, if its replicas had not got it yet.
    #[default]
    Primary,
    /// At least so many replicas, within a time (`WAIT`). A failover to another replica may still lose it, and so may one that comes with a partition:
    /// replication is not consensus.
    Replicas {
        /// 1 or more.
        n: u32,
        /// 1 ms to 1 minute.
        timeout: Duration,
    },
    /// The primary's disk, within a time (`WAITAOF 1 0`; Redis from 7.2 and Valkey, with `appendonly yes`): a server that is started again knows
    /// it.
    Fsync {
        /// 1 ms to 1 minute; a server that syncs each second takes that long.
        timeout: Duration,
    },
}

/// How many had a write, where that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acked {
    /// So many had it in time.
    pub by: u32,
    /// So many were asked for.
    pub wanted: u32,
}

impl Acked {
    /// Whether as many had it as were asked for.
    pub fn is_enough(self) -> bool {
        self.by >= self.wanted
    }
}

impl Ack {
    /// What waits for them, and how long it does.
    fn command(self) -> Option<(Command, Duration)> {
        let millis = |timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        match self {
            Ack::Primary => None,
            Ack::Replicas { n, timeout } => {
                let wait = Command::new("WAIT").arg(n).arg(millis(timeout));
                Some((wait, timeout))
            }
            Ack::Fsync { timeout } => {
                let wait = Command::new("WAITAOF").arg(1).arg(0).arg(millis(timeout));
                Some((wait, timeout))
            }
        }
    }

    /// How many must have it besides.
    fn wanted(self) -> u32 {
        match self {
            Ack::Primary => 0,
            Ack::Replicas { n, .. } => n,
            Ack::Fsync { .. } => 1,
        }
    }

    /// How long they have.
    pub fn timeout(self) -> Duration {
        match self {
            Ack::Primary => Duration::ZERO,
            Ack::Replicas { timeout, .. } | Ack::Fsync { timeout } => timeout,
        }
    }

    /// Whether it can be meant, and the server can do it, as far as it has said.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`] and [`BuildErrorKind::Unsupported`].
    pub fn check(self, server: &Server) -> Result<(), BuildError> {
        let times = Duration::from_millis(1)..=Duration::from_mins(1);
        let is_right = match self {
            Ack::Primary => return Ok(()),
            Ack::Replicas { n, timeout } => n > 0 && times.contains(&timeout),
            Ack::Fsync { timeout } => times.contains(&timeout),
        };
        if !is_right {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!("{self:?}; it must be one replica at least, and between 1 ms and 1 minute"),
            ));
        }
        let (
            Ack::Fsync { .. },
            Some(ServerInfo {
                product: Some(Product::Redis),
                version: Some(version),
                ..
            }),
        ) = (self, server.greeting())
        else {
            return Ok(());
        };
        if version >= Version::new(7, 2, 0) {
            return Ok(());
        }
        Err(BuildError::new(
            BuildErrorKind::Unsupported,
            format!("{self:?} needs WAITAOF, which Redis has from 7.2 on, and this is {version}"),
        ))
    }
}

/// A connection of its own for writes that others must have as well: `WAIT` waits for what was written on its connection, and holds up whatever
/// else is sent there. One script at a time.
pub struct Acks {
    server: Server,
    connection: Mutex<Option<Blocking>>,
}

impl Acks {
    /// Writes to this server. The connection is made at once where it is said to be used; else when it first is.
    ///
    /// # Errors
    /// As [`Ack::check`] and [`Server::blocking`].
    pub fn new(server: &Server, ack: Ack) -> Result<Self, BuildError> {
        ack.check(server)?;
        let first = (ack != Ack::Primary)
            .then(|| server.blocking())
            .transpose()?;
        Ok(Acks {
            server: server.clone(),
            connection: Mutex::new(first),
        })
    }

    /// Runs a script, sent as text, and waits for the others if its reply says so; who had it then. Two round trips. `within` is for the script and its turn on the
    /// connection.
    ///
    /// # Errors
    /// As [`Blocking::script_then`]; the script may have run.
    ///
    /// # Cancel safety
    /// Not safe: a dropped call closes the connection, and the script may have run.
    pub async fn script<'k, T: FromReply>(
        &self,
        (ack, within): (Ack, Duration),
        script: &'static Script,
        keys: impl IntoIterator<Item = &'k Key>,
        args: impl IntoIterator<Item = impl IntoArg>,
        is_to_be_had: impl FnOnce(&T) -> bool,
    ) -> Result<(T, Option<Acked>), Error> {
        let asked = async {
            let mut connection = self.connection.lock().await;
            let connection = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(self.server.blocking()?),
            };
            let then = |reply: &T| is_to_be_had(reply).then(|| ack.command()).flatten();
            let asked = connection.script_then::<T, Reply>(script, keys, args, then);
            let (reply, by) = asked.await?;
            let acked = by.map(|by| Acked {
                by: count(&by),
                wanted: ack.wanted(),
            });
            Ok((reply, acked))
        };
        let over = within.saturating_add(ack.timeout());
        let asked = tokio::time::timeout(over, Box::pin(asked)).await;
        asked.unwrap_or_else(|_| {
            Err(Error::deadline(
                "the connection on which writes are confirmed is busy",
            ))
        })
    }
}

/// `WAIT` says a number, `WAITAOF` the primary's and the replicas'.
fn count(reply: &Reply) -> u32 {
    let number = match reply {
        Reply::Array(numbers) => numbers.first(),
        number => Some(number),
    };
    match number {
        Some(Reply::Int(number)) => u32::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

impl fmt::Debug for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acks")
    }
}
