//! Whether the server may evict locks.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Error, ErrorKind, Finding, Probe, Server, ServerInfo};

use crate::locks::Locks;

/// Looks once whether the server may evict locks, and warns of it.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    has_looked: AtomicBool,
}

impl Eviction {
    /// Behind the back of who has taken a lock.
    pub(crate) fn look(&self, server: &Server) {
        if self.has_looked.swap(true, Ordering::Relaxed) {
            return;
        }
        let server = server.clone();
        tokio::spawn(async move {
            // Who may not ask is not warned; health says that it is unknown.
            if let Ok(Some(policy)) = evicts(&server).await {
                tracing::warn!(target: "russet::locks", %server, policy, "the server may evict locks when its memory is full, and a second holder would get one; set maxmemory-policy noeviction, or give locks a server of their own (LOCK_REDIS_URL)");
            }
        });
    }
}

/// By which policy a server may evict keys that have a TTL, as all locks do; nothing if it may not.
async fn evicts(server: &Server) -> Result<Option<String>, Error> {
    for info in Box::pin(server.infos()).await?.into_values() {
        let ServerInfo {
            eviction_policy: Some(policy),
            max_memory: Some(max),
            ..
        } = info?
        else {
            return Err(Error::decode(
                "INFO says nothing of maxmemory-policy, or may not be asked",
            ));
        };
        if max > 0 && policy != "noeviction" {
            return Ok(Some(policy));
        }
    }
    Ok(None)
}

/// One `HELLO` and one `INFO` to each primary: degraded if one of them may evict locks.
impl Probe for Locks {
    fn subject(&self) -> String {
        format!("locks {}", self.0.releases.stem.as_str())
    }

    fn probe(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(async move {
            let asked = Instant::now();
            let evicts = tokio::time::timeout(deadline, evicts(&self.0.server)).await;
            let late = || Error::deadline("the server does not say whether it may evict locks");
            match evicts.unwrap_or_else(|_| Err(late())) {
                Ok(None) => Finding::Healthy(asked.elapsed()),
                Ok(Some(policy)) => Finding::Degraded(format!(
                    "the server may evict locks (maxmemory-policy {policy}); set noeviction, or give them a server of their own"
                )),
                // `INFO` is not allowed, or not whole.
                Err(error) if error.kind() == ErrorKind::Decode => Finding::Unknown(error),
                Err(error) => Finding::Failed(error),
            }
        })
    }
}
