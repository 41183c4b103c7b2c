//! Which server serves which concern.

mod credentials;
mod endpoint;
mod env;
mod file;
mod routes;
mod secret;
mod tls;
mod url;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::concern::Concern;
use crate::error::{BuildError, BuildErrorKind};
use crate::key;

pub use credentials::{Credentials, Login};
pub use endpoint::Endpoint;
pub(crate) use endpoint::{Address, Node};
pub(crate) use env::Environment;
pub(crate) use routes::Routes;
pub(crate) use secret::Secret;
pub use tls::Tls;

/// Which server, database and user serves which concern, so that one Redis, several databases and a server for each
/// concern differ in configuration only.
///
/// A namespace's exception wins over its concern's server, and that over the one server for all the rest. Concerns that
/// say the same endpoint share its connections.
///
/// ```
/// use russet_core::{Concern, Endpoint, Topology};
///
/// const LOCKS: Concern = Concern::new("locks", "LOCK_REDIS_URL");
///
/// let topology = Topology::new(Endpoint::parse("redis://cache:6379")?)
///     .concern(LOCKS, Endpoint::parse("redis://locks:6379")?)
///     .namespace("waddlebot:cache:twitch_receiver", Endpoint::parse("redis://twitch:6379")?);
/// # Ok::<_, russet_core::BuildError>(())
/// ```
///
/// It is read from configuration files too; there is no `Serialize`, because that would write passwords:
///
/// ```
/// # use russet_core::Topology;
/// let topology: Topology = toml::from_str(r#"
///     server = "redis://cache:6379"
///     split_databases = false
///
///     [concerns]
///     session = "redis://sessions:6379/1"
///     locks = { url = "redis://locks:6379", username = "shop", password_file = "/run/secrets/locks" }
///
///     [namespaces]
///     "waddlebot:cache:twitch_receiver" = "redis://twitch:6379"
/// "#)?;
/// # Ok::<_, toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "file::File")]
pub struct Topology {
    default: Endpoint,
    concerns: BTreeMap<String, Endpoint>,
    namespaces: BTreeMap<String, Endpoint>,
    split: bool,
    from_env: bool,
    fault: Option<BuildError>,
}

/// Where the concerns go that `split_databases` moves away from database 0.
const SPLIT: [(&str, u8); 3] = [("ratelimit", 1), ("streams", 2), ("queue", 2)];

impl Topology {
    /// One server for everything, until said otherwise.
    pub fn new(default: Endpoint) -> Self {
        Topology {
            default,
            concerns: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            split: false,
            from_env: false,
            fault: None,
        }
    }

    /// What the environment says: [the variables and their precedence](crate::docs::topology).
    ///
    /// # Errors
    /// The first variable that cannot be meant, by its name.
    pub fn from_env() -> Result<Self, BuildError> {
        Environment::process().topology()
    }

    /// Reads the variable of a concern of the service's own; without it the concern goes where the rest goes.
    ///
    /// # Errors
    /// A variable that cannot be meant.
    pub fn read(self, concern: Concern) -> Result<Self, BuildError> {
        match Environment::process().endpoint_of(concern.env())? {
            Some(endpoint) => Ok(self.concern(concern, endpoint)),
            None => Ok(self),
        }
    }

    /// Gives a concern a server of its own.
    #[must_use]
    pub fn concern(mut self, concern: Concern, endpoint: Endpoint) -> Self {
        self.concerns.insert(concern.name().to_owned(), endpoint);
        self
    }

    /// Gives what lives under a key prefix (`shop`, `prod:shop`, `waddlebot:cache:twitch_receiver`) another server,
    /// whichever concern it is; of several prefixes that fit, the longest holds.
    #[must_use]
    pub fn namespace(mut self, prefix: impl Into<String>, endpoint: Endpoint) -> Self {
        let prefix = prefix.into();
        let prefix = prefix.strip_suffix(':').unwrap_or(&prefix).to_owned();
        if let Err(error) = key::check_names("namespace", &prefix) {
            self.fault.get_or_insert(error);
        }
        self.namespaces.insert(prefix, endpoint);
        self
    }

    /// Puts rate limits into database 1, streams and queues into database 2, and leaves the rest in 0.
    ///
    /// Databases separate names, not resources: memory, eviction policy, CPU and ACL are per server. A concern with a
    /// server of its own stays there.
    #[must_use]
    pub fn split_databases(mut self) -> Self {
        self.split = true;
        self
    }

    /// Everything said out, and checked as far as it can be without a server.
    pub(crate) fn resolve(self) -> Result<Resolved, BuildError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut concerns = self.concerns;
        if self.split && matches!(self.default.address, Address::Cluster(_)) {
            return Err(BuildError::new(
                BuildErrorKind::Database,
                format!(
                    "{} is a cluster, which has no databases to split; leave that out, or give a concern a server",
                    self.default
                ),
            ));
        }
        if self.split {
            if self.default.database != 0 {
                return Err(BuildError::new(
                    BuildErrorKind::Conflict,
                    format!(
                        "{} names a database, and the databases are split by concern; leave one of them out",
                        self.default
                    ),
                ));
            }
            for (concern, database) in SPLIT {
                concerns
                    .entry(concern.to_owned())
                    .or_insert_with(|| self.default.with_database(database));
            }
        }
        let resolved = Resolved {
            from_env: self.from_env,
            default: self.default,
            concerns,
            namespaces: self.namespaces,
        };
        resolved.endpoints().try_for_each(Endpoint::check)?;
        Ok(resolved)
    }
}

impl From<Endpoint> for Topology {
    fn from(endpoint: Endpoint) -> Self {
        Topology::new(endpoint)
    }
}

/// A topology in which every exception is said out.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Whether the environment was asked, so that a variable that is set there should count.
    pub(crate) from_env: bool,
    pub(crate) default: Endpoint,
    pub(crate) concerns: BTreeMap<String, Endpoint>,
    pub(crate) namespaces: BTreeMap<String, Endpoint>,
}

impl Resolved {
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        [&self.default]
            .into_iter()
            .chain(self.concerns.values())
            .chain(self.namespaces.values())
    }
}
