//! Whether a server may evict what must not be lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::concern::Concern;
use crate::error::{Error, ErrorKind};
use crate::probe::Finding;
use crate::server::Server;
use crate::server_info::ServerInfo;

/// Says whether a server may evict what a concern keeps there, by a warning and for health: keys that have a TTL are the first that a full server drops.
pub struct Eviction {
    server: Server,
    concern: Concern,
    /// What an eviction does, as a clause.
    harm: &'static str,
    has_looked: AtomicBool,
}

impl Eviction {
    /// Of what a concern keeps on a server; and what it means if that is evicted, for people: `"a second holder would get a lock"`.
    pub fn new(server: &Server, concern: Concern, harm: &'static str) -> Self {
        Eviction {
            server: server.clone(),
            concern,
            harm,
            has_looked: AtomicBool::new(false),
        }
    }

    /// Looks the first time that it is called, behind the caller's back, and warns. In a tokio runtime.
    pub fn look(&self) {
        if self.has_looked.load(Ordering::Relaxed) || self.has_looked.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (server, concern, harm) = (self.server.clone(), self.concern, self.harm);
        tokio::spawn(async move {
            // Who may not ask is not warned; health says that it is unknown.
            if let Ok(Some(policy)) = policy(&server).await {
                tracing::warn!(
                    target: "russet::core", concern = concern.name(), %server, policy,
                    "when its memory is full the server may evict what must not be lost, and {harm}; set maxmemory-policy noeviction, or give it a server of its own ({})",
                    concern.env()
                );
            }
        });
    }

    /// Degraded if a server may evict it; one `HELLO` and one `INFO` to each primary.
    pub async fn probe(&self, deadline: Duration) -> Finding {
        let asked = Instant::now();
        let told = tokio::time::timeout(deadline, policy(&self.server)).await;
        let late = || Error::deadline("the server does not say whether it may evict keys");
        match told.unwrap_or_else(|_| Err(late())) {
            Ok(None) => Finding::Healthy(asked.elapsed()),
            Ok(Some(policy)) => Finding::Degraded(format!(
                "the server may evict keys (maxmemory-policy {policy}), and {}; set noeviction, or give it a server of its own ({})",
                self.harm,
                self.concern.env()
            )),
            // `INFO` is not allowed, or not whole.
            Err(error) if error.kind() == ErrorKind::Decode => Finding::Unknown(error),
            Err(error) => Finding::Failed(error),
        }
    }
}

/// By which policy a server may evict keys that have a TTL; nothing if it may not.
async fn policy(server: &Server) -> Result<Option<String>, Error> {
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

impl fmt::Debug for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eviction({})", self.concern.name())
    }
}
