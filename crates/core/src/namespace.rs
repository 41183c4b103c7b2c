//! A checked prefix bound to a connection: what the concern crates are built from.

use std::sync::Arc;

use crate::command::{Command, Policy};
use crate::concern::Concern;
use crate::error::{BuildError, BuildErrorKind, Error};
use crate::key::{KeySpec, KeyTtl, KeyType, Prefix, Stem};
use crate::lane::Lane;
use crate::profile::Profile;
use crate::redis::Redis;
use crate::server::Server;

/// What core itself keeps in Redis.
pub const KEYS: &[KeySpec] = &[KeySpec::new(
    "namespace",
    "{prefix}:namespace",
    "shards",
    KeyType::String,
    KeyTtl::Persistent,
    "How many shards the namespace's keys are spread over, in decimal.",
)
.value("u16")
.owner("core")
.commands(&["SET", "GET"])];

const NAMESPACE: Concern = Concern::new("namespace", "REDIS_URL");

/// A [`Prefix`] bound to a [`Redis`]; cheap to clone.
///
/// ```no_run
/// # async fn doc() -> Result<(), russet_core::Error> {
/// # let redis = russet_core::Redis::from_env().await?;
/// let ns = redis.namespace("shop")?.env("prod").module("router");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Namespace {
    redis: Redis,
    prefix: Prefix,
    profile: Arc<Profile>,
}

impl Namespace {
    pub(crate) fn new(redis: Redis, prefix: Prefix) -> Self {
        Namespace {
            redis,
            prefix,
            profile: Arc::default(),
        }
    }

    /// The same namespace in an environment; see [`Prefix::env`].
    #[must_use]
    pub fn env(mut self, env: impl Into<String>) -> Self {
        self.prefix = self.prefix.env(env);
        self
    }

    /// The same namespace for one module; see [`Prefix::module`].
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.prefix = self.prefix.module(module);
        self
    }

    /// The same namespace, its keys in so many hash slots instead of one each (12 is a good number): on a cluster, reads and
    /// script calls of several keys share a command only if their slot is the same. Everywhere else it changes nothing but
    /// names, so that moving to a cluster later renames nothing.
    ///
    /// The number is part of every key's name. The first who says it records it, on the topology's default server under
    /// `{prefix}:namespace:shards`, for ever; whoever says another one is refused. Call it after
    /// [`env`](Namespace::env), once at start. One round trip: `SET … NX GET`.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a number that is not between 1 and 256 or not the recorded one; else as
    /// [`Lane::run`].
    ///
    /// # Cancel safety
    /// A dropped call may have recorded the number.
    pub async fn shards(mut self, count: u16) -> Result<Self, Error> {
        // Not itself in a shard: it says how many there are.
        let unsharded = self.prefix.clone();
        self.prefix = self.prefix.shards(count)?;
        let stem = unsharded.literal_stem("namespace")?;
        self.declare(KEYS, &stem);
        let key = stem.key("shards");
        let lane = self.redis.default_server().lane(NAMESPACE);
        let record = Command::new("SET")
            .key(&key)
            .arg(count)
            .arg("NX")
            .arg("GET");
        let recorded: Option<u16> = lane.run(record, Policy::Idempotent).await?;
        match recorded {
            Some(recorded) if recorded != count => Err(BuildError::new(
                BuildErrorKind::Conflict,
                format!(
                    "the namespace {} has {recorded} shards and not {count}; write shards({recorded}), or move its keys \
                     into another namespace",
                    self.prefix
                ),
            )
            .into()),
            _ => Ok(self),
        }
    }

    /// The connection.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// The prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The same namespace as one environment has it; see [`Profile`].
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) for a number outside its bounds.
    pub fn with_profile(mut self, profile: Profile) -> Result<Self, BuildError> {
        profile.check()?;
        self.profile = Arc::new(profile);
        Ok(self)
    }

    /// What [`with_profile`](Namespace::with_profile) was given.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Says that a handle writes these keys under this stem, so that a catalogue of the running system has them.
    pub fn declare(&self, specs: &'static [KeySpec], stem: &Stem) {
        self.redis.declarations().note(specs, stem);
    }

    /// The lane on which the commands of a handle run whose keys begin with this stem.
    pub fn on(&self, concern: Concern, stem: &Stem) -> Lane {
        self.server(concern, stem).lane(concern)
    }

    /// The server that holds a concern's keys of this stem.
    pub fn server(&self, concern: Concern, stem: &Stem) -> Server {
        self.redis.server_of_stem(concern, stem.as_str())
    }

    /// The stem of one handle's keys where a layout from before names them; see [`Prefix::literal_stem`].
    ///
    /// # Errors
    /// The first wrong name, of the namespace or of these.
    pub fn literal_stem(&self, names: &str) -> Result<Stem, BuildError> {
        self.prefix.literal_stem(names)
    }

    /// The stem of keys that begin with nothing but the prefix; empty for a root namespace without an environment.
    pub fn root_stem(&self) -> Stem {
        self.prefix.root_stem()
    }

    /// The stem of one handle's keys.
    ///
    /// # Errors
    /// The first wrong name, of the namespace or of these two.
    pub fn stem(&self, use_case: &str, name: &str) -> Result<Stem, BuildError> {
        self.prefix.stem(use_case, name)
    }
}
