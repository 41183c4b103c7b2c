//! Who must have a lock before it counts as taken.

use std::fmt;
use std::time::Duration;

use russet_core::{Blocking, Bytes, Command, Error, Reply, Script, Server};
use tokio::sync::Mutex;

use crate::error::LockError;
use crate::keys::LockKeys;
use crate::wire::Taken;

/// Who must have noted that a lock is taken before it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack {
    /// The primary. A failover may lose it, if its replicas had not got it yet; fences rise all the same.
    #[default]
    Primary,
    /// At least so many replicas, within a time (`WAIT`); else it is given back, and
    /// [`NotReplicated`](crate::LockError::NotReplicated). A failover to another replica may still lose it, and so may one that comes with a
    /// partition: replication is not consensus.
    Replicas {
        /// 1 or more.
        n: u32,
        /// 1 ms to 1 minute.
        timeout: Duration,
    },
    /// The primary's disk, within a time (`WAITAOF 1 0`; Redis from 7.2 and Valkey, with `appendonly yes`): a server that is started again knows the
    /// lock.
    Fsync {
        /// 1 ms to 1 minute; a server that syncs each second takes that long.
        timeout: Duration,
    },
}

/// How many had it, where that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acked {
    pub(crate) by: u32,
    pub(crate) wanted: u32,
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
    pub(crate) fn timeout(self) -> Duration {
        match self {
            Ack::Primary => Duration::ZERO,
            Ack::Replicas { timeout, .. } | Ack::Fsync { timeout } => timeout,
        }
    }

    /// Whether it can be meant.
    pub(crate) fn is_right(self) -> bool {
        let times = Duration::from_millis(1)..=Duration::from_mins(1);
        match self {
            Ack::Primary => true,
            Ack::Replicas { n, timeout } => n > 0 && times.contains(&timeout),
            Ack::Fsync { timeout } => times.contains(&timeout),
        }
    }
}

impl From<Acked> for LockError {
    fn from(Acked { by, wanted }: Acked) -> Self {
        LockError::NotReplicated { by, wanted }
    }
}

/// A script's call.
pub(crate) type Call = (&'static Script, LockKeys, Vec<Bytes>);

/// A connection of its own for locks that others must have as well: `WAIT` waits for what was written on its connection, and holds up whatever
/// else is sent there.
pub(crate) struct Acks(Mutex<Option<Blocking>>);

impl Acks {
    pub(crate) fn new(first: Option<Blocking>) -> Self {
        Acks(Mutex::new(first))
    }

    /// Runs a script that takes a lock, and waits for the others if it did.
    pub(crate) async fn script(
        &self,
        server: &Server,
        (script, keys, args): Call,
        ack: Ack,
    ) -> Result<Taken, Error> {
        let mut connection = self.0.lock().await;
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(server.blocking()?),
        };
        let then = |reply: &Reply| match Taken::read(reply, 0) {
            Ok(Taken::Granted(..)) => ack.command(),
            _ => None,
        };
        let (reply, by) = connection
            .script_then::<Reply, Reply>(script, keys.all(), args, then)
            .await?;
        let acked = by.map(|by| Acked {
            by: count(&by),
            wanted: ack.wanted(),
        });
        match acked {
            Some(acked) if acked.by < acked.wanted => Ok(Taken::Unconfirmed(acked)),
            _ => Taken::read(&reply, 0),
        }
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
