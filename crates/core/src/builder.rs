//! How a connection is configured.

use std::time::Duration;

use crate::driver::Tuning;
use crate::error::{BuildError, BuildErrorKind, Error};
use crate::redis::Redis;
use crate::topology::{Endpoint, Environment, Topology};

/// Configures a [`Redis`].
///
/// | setting | default |
/// |---|---|
/// | [`url`](Builder::url), [`topology`](Builder::topology) | what the environment says, else `redis://localhost:6379/0` |
/// | [`connect_timeout`](Builder::connect_timeout) | 2 s |
/// | [`deadline`](Builder::deadline) | 1 s for each command |
/// | [`max_in_flight`](Builder::max_in_flight) | 4,096 commands |
/// | [`max_connections`](Builder::max_connections) | `REDIS_MAX_CONNECTIONS`, else 20 sockets |
/// | [`default_ttl`](Builder::default_ttl) | `REDIS_DEFAULT_TTL`, else `RESPONSE_CACHE_TTL`, else 1 hour |
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect` or `lazy`"]
pub struct Builder {
    topology: Option<Result<Topology, BuildError>>,
    max_connections: Option<usize>,
    default_ttl: Option<Duration>,
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) deadline: Duration,
    pub(crate) max_in_flight: usize,
    pub(crate) max_connections: usize,
    pub(crate) default_ttl: Duration,
}

impl Settings {
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            connect_timeout: self.connect_timeout,
            // Whoever waits that long for a reply would rather not lose the connection before.
            alive_within: self.deadline.max(Duration::from_secs(1)),
        }
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder {
            topology: None,
            max_connections: None,
            default_ttl: None,
            settings: Settings {
                connect_timeout: Duration::from_secs(2),
                deadline: Duration::from_secs(1),
                max_in_flight: 4096,
                max_connections: 20,
                default_ttl: Duration::from_hours(1),
            },
        }
    }

    /// One server for everything, instead of what the environment says. The forms are those of [`Redis::connect`].
    pub fn url(mut self, url: &str) -> Self {
        self.topology = Some(Endpoint::parse(url).map(Topology::new));
        self
    }

    /// The one server that the environment variable `name` names.
    pub fn url_from_var(mut self, name: &str) -> Self {
        let endpoint = Environment::process().endpoint_from(name);
        self.topology = Some(endpoint.map(Topology::new));
        self
    }

    /// Which server serves which concern, or one [`Endpoint`] for everything, instead of what the environment says.
    pub fn topology(mut self, topology: impl Into<Topology>) -> Self {
        self.topology = Some(Ok(topology.into()));
        self
    }

    /// How long a connection may take until it is ready. Between 10 ms and 60 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How long a command may take, all waiting included. Between 1 ms and 60 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// How many commands may be on their way at once; more wait, within their deadline. At least 1.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.settings.max_in_flight = commands;
        self
    }

    /// How many sockets the handle may open, over all its servers and lanes; on a cluster, to each of its nodes. At least 1.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// How long an entry of a cache lives that is built without a time of its own.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// Connects, and verifies that the server answers.
    ///
    /// # Errors
    /// As [`Redis::connect`].
    ///
    /// # Cancel safety
    /// A dropped call leaves nothing behind.
    pub async fn connect(self) -> Result<Redis, Error> {
        let redis = self.lazy()?;
        redis.verify().await?;
        Ok(redis)
    }

    /// Begins to connect in the background, so that a service starts while Redis is down.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A wrong configuration, at once.
    pub fn lazy(self) -> Result<Redis, BuildError> {
        let environment = Environment::process();
        let topology = match self.topology {
            Some(topology) => topology?,
            None => environment.topology()?,
        };
        let topology = topology.resolve()?;
        let mut settings = self.settings;
        let most = environment.max_connections()?;
        if let Some(most) = self.max_connections.or(most) {
            settings.max_connections = most;
        }
        let ttl = environment.default_ttl()?;
        if let Some(ttl) = self.default_ttl.or(ttl) {
            settings.default_ttl = ttl;
        }
        let bound = |what: &str, value: Duration, least: Duration| {
            if (least..=Duration::from_mins(1)).contains(&value) {
                return Ok(());
            }
            Err(BuildError::new(
                BuildErrorKind::Limit,
                format!("the {what} is {value:?}; it must be between {least:?} and 60s"),
            ))
        };
        bound(
            "connect timeout",
            settings.connect_timeout,
            Duration::from_millis(10),
        )?;
        bound("deadline", settings.deadline, Duration::from_millis(1))?;
        if settings.default_ttl.is_zero() {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                "the default TTL is zero; nothing would be kept",
            ));
        }
        if !(1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&settings.max_in_flight) {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                "max_in_flight must be at least 1",
            ));
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BuildError::new(
                BuildErrorKind::Unsupported,
                "there is no tokio runtime here; build the connection inside one (an async fn main, or Runtime::enter)",
            ));
        }
        Redis::start(topology, settings)
    }
}
