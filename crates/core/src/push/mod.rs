//! Subscriptions as a desired state: what is wanted is kept here, and every connection is made to match it.
//!
//! A mechanism without policy, which the cache, the locks and pub/sub share.

mod glob;
mod reconciler;
mod registry;
mod scope;
mod shards;
mod subscription;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::connections::Slot;
use crate::discovery::Finder;
use crate::driver::{Kind, Tuning};
use crate::error::{Error, ErrorKind};
use crate::key::Key;

pub use glob::glob_matches;
use reconciler::Reconciler;
use registry::Registry;
use scope::Scope;
pub use subscription::{Delivery, GapCause, Subscription};

/// What a subscription wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// One channel (`SUBSCRIBE`).
    Channel(Key),
    /// Every channel that matches a glob (`PSUBSCRIBE`). Its literal beginning must be the namespace's.
    Pattern(Key),
    /// One sharded channel (`SSUBSCRIBE`), which on a cluster lives in its slot's shard.
    Sharded(Key),
}

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Target::Channel(_) => Kind::Channel,
            Target::Pattern(_) => Kind::Pattern,
            Target::Sharded(_) => Kind::Sharded,
        }
    }

    pub(crate) fn key(&self) -> &Key {
        match self {
            Target::Channel(key) | Target::Pattern(key) | Target::Sharded(key) => key,
        }
    }
}

/// The push lane: a connection of its own that carries subscriptions and nothing else.
pub(crate) struct Push {
    registry: Arc<Registry>,
    task: JoinHandle<()>,
    _slot: Slot,
}

impl Push {
    pub(crate) fn start(finder: Finder, tuning: Tuning, slot: Slot) -> Self {
        let registry = Arc::new(Registry::default());
        let task = match finder {
            Finder::One(place) => {
                let reconciler = Reconciler::new(place, Scope::All, tuning, registry.clone());
                tokio::spawn(reconciler.run())
            }
            Finder::Cluster(cluster) => {
                tokio::spawn(shards::run(cluster, tuning, registry.clone()))
            }
        };
        Push {
            registry,
            task,
            _slot: slot,
        }
    }

    /// Adds a receiver; returns once the server has confirmed that it will send.
    pub(crate) async fn subscribe(
        &self,
        target: Target,
        within: Duration,
    ) -> Result<Subscription, Error> {
        if std::str::from_utf8(target.key().as_bytes()).is_err() {
            let message = "a channel's name must be UTF-8";
            return Err(Error::encode(message).on("subscribe", Some(target.key())));
        }
        let subscription = self.registry.add(target.clone());
        match tokio::time::timeout_at((Instant::now() + within).into(), subscription.confirmed())
            .await
        {
            Ok(Ok(())) => Ok(subscription),
            Ok(Err(error)) => Err(error.on("subscribe", Some(target.key()))),
            Err(_) => {
                let error = Error::new(
                    ErrorKind::Unavailable,
                    "the server did not confirm within the deadline",
                );
                Err(error.on("subscribe", Some(target.key())))
            }
        }
    }

    pub(crate) fn close(&self) {
        self.task.abort();
        self.registry.close();
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Push")
    }
}
