//! The handle.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};

use crate::builder::{Builder, Settings};
use crate::concern::Concern;
use crate::connections::Connections;
use crate::declared::{Declarations, Declared};
use crate::error::{BuildError, Error};
use crate::key::Prefix;
use crate::lane::Lane;
use crate::namespace::Namespace;
use crate::server::Server;
use crate::topology::{Environment, Resolved, Routes};

/// The connections to the servers of a topology, which keep themselves alive. Cheap to clone, `Send + Sync`; all clones
/// share them.
///
/// It belongs to the tokio runtime that made it. When the last clone is dropped, and all that was made from it, its tasks
/// and sockets end.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    routes: Routes,
    settings: Settings,
    connections: Arc<Connections>,
    declarations: Declarations,
}

impl Redis {
    /// Connects to the server of a URL and verifies that it answers.
    ///
    /// | form | server |
    /// |---|---|
    /// | `redis://[user:password@]host[:6379][/database]` | one server |
    /// | `rediss://…` | the same over TLS (feature `tls`) |
    /// | `redis+unix://[user:password@]/path[?db=n]` | one server, by its socket |
    /// | `redis-cluster://[user:password@]host[:6379][,host…]` | a cluster, of which some nodes are named |
    /// | `redis-sentinel://[user:password@]host[:26379][,host…]/service[/database]` | the primary that sentinels name |
    ///
    /// `valkey` reads as `redis` in each. Waits at most the connect timeout (2 s).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a URL that cannot be meant or a database that the server has not,
    /// [`Auth`](crate::ErrorKind::Auth) for a refused password, [`Unavailable`](crate::ErrorKind::Unavailable) for a
    /// server that cannot be reached.
    pub async fn connect(url: &str) -> Result<Redis, Error> {
        Redis::builder().url(url).connect().await
    }

    /// Connects to the servers that the environment names and verifies that each answers; without any variable to
    /// `redis://localhost:6379/0`.
    ///
    /// # Errors
    /// As [`connect`](Redis::connect).
    pub async fn from_env() -> Result<Redis, Error> {
        Redis::builder().connect().await
    }

    /// Connects to the one server that the variable `name` names.
    ///
    /// # Errors
    /// As [`connect`](Redis::connect); also [`Config`](crate::ErrorKind::Config) if the variable is not set.
    pub async fn from_var(name: &str) -> Result<Redis, Error> {
        Redis::builder().url_from_var(name).connect().await
    }

    /// A connection with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(topology: Resolved, settings: Settings) -> Result<Redis, BuildError> {
        let connections = Connections::new(settings.max_connections);
        Ok(Redis(Arc::new(Inner {
            routes: Routes::start(topology, settings, &connections)?,
            settings,
            connections,
            declarations: Declarations::default(),
        })))
    }

    /// Waits until every server has answered, or one cannot be reached.
    pub(crate) async fn verify(&self) -> Result<(), Error> {
        let limit = self.0.settings.connect_timeout;
        let deadline = Instant::now() + limit + limit / 4;
        let all = self.0.routes.all().iter();
        try_join_all(all.map(|lanes| lanes.command().ready(deadline)))
            .await
            .map(drop)
    }

    /// A namespace: the first name of every key.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`](crate::BuildErrorKind::Name) if the name is empty or holds what a key may not.
    pub fn namespace(&self, product: impl Into<String>) -> Result<Namespace, BuildError> {
        Ok(Namespace::new(self.clone(), Prefix::new(product)?))
    }

    /// The namespace that `REDIS_PREFIX` or `REDIS_KEY_PREFIX` names: one name or several (`shop`, `prod:shop`, `stg:`).
    ///
    /// # Errors
    /// [`BuildErrorKind::Environment`](crate::BuildErrorKind::Environment) if neither is set, both are and differ, or it
    /// holds what a key may not.
    pub fn namespace_from_env(&self) -> Result<Namespace, BuildError> {
        let prefix = Environment::process().prefix()?;
        Ok(Namespace::new(self.clone(), prefix))
    }

    /// The namespace of layouts from before, whose keys begin with no name of the product's: `user:7:profile`.
    pub fn root_namespace(&self) -> Namespace {
        Namespace::new(self.clone(), Prefix::root())
    }

    /// The lane of a concern, on which its commands run. Make it once and keep it.
    pub fn on(&self, concern: Concern) -> Lane {
        self.server(concern).lane(concern)
    }

    /// The server of a concern.
    pub fn server(&self, concern: Concern) -> Server {
        Server::new(self.0.routes.of(concern))
    }

    /// The server of all that has no other.
    pub(crate) fn default_server(&self) -> Server {
        Server::new(self.0.routes.default())
    }

    /// The server of a concern's keys under a stem.
    pub(crate) fn server_of_stem(&self, concern: Concern, stem: &str) -> Server {
        Server::new(self.0.routes.of_stem(concern, stem))
    }

    /// Every server of the topology, once.
    pub fn servers(&self) -> impl Iterator<Item = Server> {
        self.0.routes.all().iter().map(Server::new)
    }

    /// How long a cache entry lives where nothing else is said: see [`Builder::default_ttl`].
    pub fn default_ttl(&self) -> Duration {
        self.0.settings.default_ttl
    }

    /// How many connections each lane uses now: `command`, `push`, `blocking`, `heartbeat`, `maintenance`.
    pub fn connections(&self) -> BTreeMap<&'static str, usize> {
        self.0.connections.used()
    }

    /// Every kind of key that handles of this connection have said they write, in the order in which they were made.
    pub fn declared(&self) -> Vec<Declared> {
        self.0.declarations.all()
    }

    pub(crate) fn declarations(&self) -> &Declarations {
        &self.0.declarations
    }

    /// Waits for commands under way, at most this long, then ends every task and socket.
    ///
    /// Every later command on any clone fails with [`Shutdown`](crate::ErrorKind::Shutdown).
    pub async fn shutdown_within(&self, limit: Duration) {
        let all = self.0.routes.all().iter();
        join_all(all.map(|lanes| lanes.shutdown_within(limit))).await;
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")?;
        f.debug_list().entries(self.servers()).finish()
    }
}
